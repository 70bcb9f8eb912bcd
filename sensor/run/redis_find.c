/* Which server: those of the list in turn, where Sentinel says, where a cluster sends us. */
#include "run/redis_impl.h"

#include <stdio.h>
#include <string.h>

static void name_endpoint(const struct broker_endpoint *e, char out[REDIS_NAME_TEXT])
{
	if (e->path)
		snprintf(out, REDIS_NAME_TEXT, "%.250s", e->path);
	else
		snprintf(out, REDIS_NAME_TEXT, "%.250s:%.8s", e->host, e->port);
}

static void set_server(struct redis *r)
{
	r->home = (struct place){ .is_known = true, .endpoint = r->server };
	name_endpoint(&r->s.servers[r->server], r->home.name);
}

bool find_place(const struct redis *r, struct bytes host, struct bytes port, struct place *out)
{
	uint64_t number;
	*out = (struct place){ .is_known = true };
	snprintf(out->name, sizeof out->name, "%.*s:%.*s", (int)(host.n < 250 ? host.n : 250),
		(const char *)host.p, (int)(port.n < 8 ? port.n : 8), (const char *)port.p);
	for (size_t i = 0; i < r->s.n_servers; i++) {
		const struct broker_endpoint *e = &r->s.servers[i];
		out->endpoint = i;
		if (e->host && bytes_is(host, e->host) && bytes_is(port, e->port))
			return true;
	}
	if (!addr_parse(host, &out->address) || !bytes_to_u64(port, &number) || number == 0 || number > 65535)
		return false;
	out->port = (uint16_t)number;
	/* Printed by us: what a server says is in no sentence. */
	char text[ADDR_TEXT];
	snprintf(out->name, sizeof out->name, "%s:%u", addr_text(&out->address, text), (unsigned)number);
	return true;
}

void find_connect(struct redis *r)
{
	if (r->is_asking) {
		redis_connect(r, &r->other);
	} else if (r->sentinel) {
		sentinel_ask(r);
	} else {
		if (!r->home.is_known)
			set_server(r);
		redis_connect(r, &r->home);
	}
}

void find_next(struct redis *r)
{
	if (r->s.n_servers)
		r->server = (r->server + 1) % r->s.n_servers;
	r->home.is_known = false;
}

const char *find_name(const struct redis *r, const struct place *p)
{
	static const char none[] = "";
	if (!r->s.tls)
		return p->name;
	if (r->s.server_name && *r->s.server_name)
		return r->s.server_name;
	if (p->address.family == 0)
		return r->s.servers[p->endpoint].host ? r->s.servers[p->endpoint].host : none;
	return p->name; /* cut at its port by redis_connect */
}

/* ---- cluster: all our keys are in one slot, so one node has them, or two while they move ------- */

static bool has_ready_here(const struct redis *r)
{
	for (uint32_t at = r->window.first_ready; at != NO_SLOT; at = window_at(&r->window, at)->next)
		if (send_is_here(r, window_at(&r->window, at)->key))
			return true;
	return false;
}

static bool in_circles(struct redis *r)
{
	char text[DELIVERY_TEXT];
	if (++r->redirections <= REDIS_REDIRECTIONS)
		return false;
	snprintf(text, sizeof text,
		"the nodes of the cluster send us in circles: see CLUSTER NODES there, and that "
		"output.redis.key has "
		"one {part} in braces that is the same for all classes");
	tell_problem(r, "redis_cluster", LEVEL_HIGH, true, text);
	r->redirections = 0;
	redis_rest(r, 0);
	return true;
}

void find_other(struct redis *r)
{
	if (!r->other.is_known || has_ready_here(r) || in_circles(r))
		return;
	r->is_asking = !r->is_asking;
	redis_move(r);
}

/* "MOVED 3999 10.20.5.12:7001"; no host: the one we are at. */
static bool read_redirection(const struct redis *r, const redisReply *error, struct place *out)
{
	struct cur c = cur_of(bytes_of(error->str, error->len));
	cur_until(&c, ' ');
	cur_until(&c, ' ');
	struct bytes where = cur_rest(&c);
	size_t colon = where.n;
	for (size_t i = 0; i < where.n; i++)
		if (bytes_at(where, i) == ':')
			colon = i;
	struct bytes host = bytes_first(where, colon), port = bytes_from(where, colon + 1);
	const struct place *here = r->is_asking ? &r->other : &r->home;
	struct bytes name = bytes_str(here->name);
	if (colon == where.n)
		return false;
	if (host.n == 0)
		for (size_t i = 0; i < name.n; i++)
			if (bytes_at(name, i) == ':')
				host = bytes_first(name, i);
	return find_place(r, host, port, out);
}

bool find_redirect(struct redis *r, uint8_t key, const redisReply *error)
{
	struct place to;
	char text[DELIVERY_TEXT];
	bool is_asking = bytes_starts(bytes_of(error->str, error->len), "ASK");
	if (!r->s.is_cluster)
		return tell_refusal(
			r, &(struct pending){ .command = COMMAND_ADD, .key = key }, refusal_of(error));
	if (in_circles(r))
		return false;
	if (!read_redirection(r, error, &to)) {
		snprintf(text, sizeof text,
			"%.100s sends us to a node without a literal address: set cluster-announce-ip, or "
			"name all nodes "
			"in output.redis.servers",
			connection_name(r->connection));
		tell_problem(r, "redis_cluster", LEVEL_HIGH, true, text);
		redis_rest(r, r->s.backoff_most_ns);
		return false;
	}
	/* Only the slot's owner says ASK: if that is the other place, the slot has come there whole, and now
	 * begins to leave it. */
	if (!is_asking || r->is_asking)
		for (uint8_t i = 0; i < r->n_keys; i++)
			r->keys[i].is_away = false;
	if (is_asking && r->is_asking)
		r->home = r->other;
	if (is_asking)
		r->other = to;
	else
		r->home = to;
	r->other.is_known = is_asking;
	r->keys[key].is_away = is_asking;
	r->is_asking = is_asking;
	redis_move(r);
	return false;
}
