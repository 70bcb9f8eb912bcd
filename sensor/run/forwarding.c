#include "run/forwarding.h"

#include "run/redis.h"
#include "run/syslog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MS UINT64_C(1000000)

bool forwarding_is_wanted(const struct config *c)
{
	return c->redis.servers.n > 0 || *c->syslog.server;
}

/* ---- servers -------------------------------------------------------------------------------------- */

struct scheme {
	const char *name, *port; /* port NULL: a path follows */
	bool is_tls;
	enum syslog_transport transport;
};

static const struct scheme redis_schemes[] = { { "redis://", "6379", false, 0 },
	{ "rediss://", "6379", true, 0 }, { "unix://", NULL, false, 0 }, { NULL, NULL, false, 0 } };
static const struct scheme syslog_schemes[] = { { "tls://", "6514", true, SYSLOG_TLS },
	{ "tcp://", "514", false, SYSLOG_TCP }, { "udp://", "514", false, SYSLOG_UDP },
	{ NULL, NULL, false, 0 } };

static bool copy(char *to, size_t most, const char *from, size_t n)
{
	if (n == 0 || n >= most)
		return false;
	memcpy(to, from, n);
	to[n] = 0;
	return true;
}

/* HOST, HOST:PORT, [IPv6], [IPv6]:PORT; a slash behind it is left out. */
static bool host_and_port(struct forwarding_server *s, const char *text, const char *default_port)
{
	size_t n = strcspn(text, "/");
	if (strchr(text, '@'))
		return false;
	if (strlen(text + n) > 1)
		return false;
	const char *end = *text == '[' ? memchr(text, ']', n) : memchr(text, ':', n);
	const char *after = end && *text == '[' ? end + 1 : end ? end : text + n;
	if (*text == '[' && !end)
		return false;
	bool fine = *text == '[' ? copy(s->host, sizeof s->host, text + 1, (size_t)(end - text - 1))
				 : copy(s->host, sizeof s->host, text, (size_t)(after - text));
	size_t digits = (size_t)(text + n - after);
	if (digits > 0 && (*after != ':' || !copy(s->port, sizeof s->port, after + 1, digits - 1)))
		return false;
	if (digits == 0)
		snprintf(s->port, sizeof s->port, "%s", default_port);
	unsigned long number = 0;
	for (const char *p = s->port; *p; p++)
		number = ascii_digit((uint8_t)*p) ? number * 10 + (unsigned long)(*p - '0') : 65536;
	s->endpoint = (struct broker_endpoint){ .host = s->host, .port = s->port };
	return fine && number > 0 && number < 65536;
}

/* NULL: it is none of these schemes. */
static const struct scheme *scheme_of(const struct scheme *list, const char *url)
{
	while (list->name && strncmp(url, list->name, strlen(list->name)) != 0)
		list++;
	return list->name ? list : NULL;
}

/* Who writes a password into an address would else read it in the log. */
static const char *without_login(const char *url)
{
	const char *at = strrchr(url, '@');
	return at ? at + 1 : url;
}

static bool redis_server(struct forwarding_server *s, const char *url, bool may_be_bare, struct diag *d)
{
	const struct scheme *scheme = scheme_of(redis_schemes, url);
	const char *rest = scheme ? url + strlen(scheme->name) : url;
	bool fine = scheme || may_be_bare;
	s->is_tls = scheme && scheme->is_tls;
	if (fine && scheme && !scheme->port) {
		s->endpoint = (struct broker_endpoint){ .path = rest };
		fine = *rest == '/';
	} else if (fine) {
		fine = host_and_port(s, rest, may_be_bare ? "26379" : scheme->port);
	}
	if (!fine)
		diag_add(d, DIAG_ERROR, "-", 0, 0, "C033",
			"%s is no Redis server: write redis://HOST:PORT, rediss://HOST:PORT for TLS, or "
			"unix:///PATH; a login goes into output.redis.auth",
			without_login(url));
	return fine;
}

static bool read_servers(struct forwarding *f, struct diag *d)
{
	const struct config_redis *c = &f->config->redis;
	bool with_sentinel = *c->sentinel_master;
	f->n_servers = c->servers.n;
	f->n_sentinels = with_sentinel ? c->sentinel_servers.n : 0;
	for (size_t i = 0; i < f->n_servers + f->n_sentinels; i++) {
		bool is_sentinel = i >= f->n_servers;
		const char *url =
			is_sentinel ? c->sentinel_servers.list[i - f->n_servers] : c->servers.list[i];
		if (!redis_server(&f->servers[i], url, is_sentinel, d))
			return false;
		f->endpoints[i] = f->servers[i].endpoint;
		size_t first = is_sentinel ? f->n_servers : 0;
		if (f->servers[i].is_tls != f->servers[first].is_tls) {
			diag_add(d, DIAG_ERROR, "-", 0, 0, "C033",
				"output.redis: all servers have to be rediss://, or none");
			return false;
		}
	}
	if (with_sentinel == (f->n_sentinels > 0))
		return true;
	diag_add(d, DIAG_ERROR, "-", 0, 0, "C033", "output.redis.sentinel needs both, master and servers");
	return false;
}

/* ---- Redis ---------------------------------------------------------------------------------------- */

static struct bytes format_body(void *arg, const struct outbox_record *r)
{
	return format_record(arg, r);
}

static uint64_t random_seed(void)
{
	uint64_t seed = 0;
	(void)!getrandom(&seed, sizeof seed, 0);
	return seed;
}

static void how_to_send(const struct config_redis *c, struct redis_setup *s)
{
	s->mode = *c->mode == 's' ? REDIS_STREAM : *c->mode == 'l' ? REDIS_LIST : REDIS_CHANNEL;
	s->key = c->key;
	s->field = c->field;
	s->extra_fields = c->extra_fields;
	s->trim_entries = c->trim_entries;
	s->trim_exactly = !c->trim_approximately;
	s->trim_age_ms = c->trim_age;
	s->max_entries = c->max_entries;
	s->max_bytes = c->max_bytes;
	s->in_flight = c->in_flight;
	s->max_delay_ns = c->max_delay * MS;
	s->wait_replicas = (unsigned)c->wait_replicas;
	s->wait_ms = c->wait_timeout;
	s->retention_ms = c->retention;
}

static void how_to_connect(const struct config_redis *c, struct redis_setup *s)
{
	s->clear_is_forced = c->plaintext;
	s->is_cluster = strcmp(c->cluster, "auto") == 0;
	s->server_name = c->tls.server_name;
	s->user = c->auth.username;
	s->password_file = c->auth.password_file;
	s->database = (unsigned)c->database;
	s->connect_ns = c->connect_timeout * MS;
	s->reply_ns = c->reply_timeout * MS;
	s->idle_ping_ns = c->idle_ping * MS;
	s->backoff_first_ns = c->backoff_first * MS;
	s->backoff_most_ns = c->backoff_most * MS;
	s->backoff_factor = c->backoff_factor;
	s->backoff_jitter = c->backoff_jitter;
	s->seed = random_seed();
}

static void redis_setup_of(struct forwarding *f, struct redis_setup *s)
{
	const struct config_redis *c = &f->config->redis;
	redis_default(s);
	how_to_connect(c, s);
	how_to_send(c, s);
	s->sensor = f->config->sensor_name;
	s->servers = f->endpoints;
	s->n_servers = f->n_servers;
	s->tls = f->n_servers && f->servers[0].is_tls ? f->redis.tls : NULL;
	if (f->n_sentinels)
		s->sentinel = (struct redis_sentinel){ .master = c->sentinel_master,
			.servers = f->endpoints + f->n_servers,
			.n_servers = f->n_sentinels,
			.tls = f->servers[f->n_servers].is_tls ? f->redis.tls : NULL,
			.server_name = c->tls.server_name,
			.user = c->sentinel_auth.username,
			.password_file = c->sentinel_auth.password_file };
	s->format = format_body;
	s->format_arg = f->redis.formatter;
}

/* ---- syslog --------------------------------------------------------------------------------------- */

static unsigned facility_of(const char *name)
{
	static const struct {
		const char *name;
		unsigned number;
	} rows[] = { { "user", 1 }, { "daemon", 3 }, { "auth", 4 } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].number;
	return 16 + (unsigned)(name[strlen("local")] - '0'); /* RFC 5424 6.2.1 */
}

static bool syslog_server(struct forwarding *f, const struct scheme **scheme, struct diag *d)
{
	const char *url = f->config->syslog.server;
	*scheme = scheme_of(syslog_schemes, url);
	if (*scheme && host_and_port(&f->syslog, url + strlen((*scheme)->name), (*scheme)->port)) {
		f->syslog.is_tls = (*scheme)->is_tls;
		f->syslog.endpoint = syslog_endpoint((*scheme)->transport, f->syslog.host, f->syslog.port);
		return true;
	}
	diag_add(d, DIAG_ERROR, "-", 0, 0, "C033",
		"%s is no syslog server: write tls://HOST:6514, tcp://HOST:514 or udp://HOST:514",
		without_login(url));
	return false;
}

static void syslog_setup_of(struct forwarding *f, struct syslog_setup *s)
{
	const struct config_syslog *c = &f->config->syslog;
	syslog_default(s);
	s->transport = scheme_of(syslog_schemes, c->server)->transport;
	s->server = f->syslog.endpoint;
	s->tls = f->to_syslog.tls;
	s->server_name = c->tls.server_name;
	s->clear_is_forced = c->plaintext;
	s->formatter = f->to_syslog.formatter;
	s->facility = facility_of(c->facility);
	s->message_most = c->max_bytes;
	s->connect_ns = c->connect_timeout * MS;
	s->backoff_first_ns = c->backoff_first * MS;
	s->backoff_most_ns = c->backoff_most * MS;
	s->seed = random_seed();
}

/* ---- all of it ------------------------------------------------------------------------------------- */

static bool load_tls(struct forwarding_output *o, const struct config_tls *c, bool is_wanted, struct diag *d)
{
	if (!is_wanted)
		return true;
	o->tls = tls_load(
		&(struct tls_setup){ .ca = c->ca, .cert = c->cert, .key = c->key, .min = c->min }, d);
	return o->tls != NULL;
}

static bool make_formatter(struct forwarding_output *o, const char *name, bool is_live, struct diag *d)
{
	enum format form = FORMAT_ECS;
	(void)format_find(name, &form); /* the configuration knows these words alone */
	o->formatter = formatter_new(form, is_live);
	if (!o->formatter)
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "not enough memory for the outputs");
	return o->formatter != NULL;
}

static bool any_tls(const struct forwarding *f)
{
	for (size_t i = 0; i < f->n_servers + f->n_sentinels; i++)
		if (f->servers[i].is_tls)
			return true;
	return false;
}

static bool begin_redis(struct forwarding *f, bool is_live, struct diag *d)
{
	const struct config_redis *c = &f->config->redis;
	struct broker_endpoint endpoints[BROKER_ENDPOINTS];
	uint16_t ports[FORWARDING_SERVERS];
	struct redis_setup s;
	struct broker_setup b = { .is_confined = is_live, .user = f->config->user, .endpoints = endpoints };
	if (c->servers.n == 0)
		return true;
	if (!read_servers(f, d) || !load_tls(&f->redis, &c->tls, any_tls(f), d) ||
		!make_formatter(&f->redis, c->format, is_live, d))
		return false;
	redis_setup_of(f, &s);
	if (!redis_endpoints(&s, endpoints, &b.n_endpoints)) {
		diag_add(d, DIAG_ERROR, "-", 0, 0, "C033",
			"output.redis: servers and sentinels are too many; %d are the most",
			BROKER_ENDPOINTS);
		return false;
	}
	struct broker_learned learned = {
		.networks = c->networks.list, .n_networks = c->networks.n, .ports = ports
	};
	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].endpoint.host)
			ports[learned.n_ports++] = (uint16_t)strtoul(f->servers[i].port, NULL, 10);
	if (s.is_cluster || f->n_sentinels)
		b.learned = &learned;
	return broker_start(&f->redis.broker, &b, d);
}

static bool begin_syslog(struct forwarding *f, bool is_live, struct diag *d)
{
	const struct config_syslog *c = &f->config->syslog;
	const struct scheme *scheme;
	if (!*c->server)
		return true;
	if (!syslog_server(f, &scheme, d) || !load_tls(&f->to_syslog, &c->tls, scheme->is_tls, d) ||
		!make_formatter(&f->to_syslog, c->format, is_live, d))
		return false;
	struct broker_setup b = { .is_confined = is_live,
		.user = f->config->user,
		.endpoints = &f->syslog.endpoint,
		.n_endpoints = 1 };
	return broker_start(&f->to_syslog.broker, &b, d);
}

bool forwarding_begin(struct forwarding *f, const struct config *c, bool is_live, struct diag *d)
{
	*f = (struct forwarding){ .config = c, .redis.broker.fd = -1, .to_syslog.broker.fd = -1 };
	return begin_redis(f, is_live, d) && begin_syslog(f, is_live, d);
}

static bool add(struct forwarding *f, struct delivery *d)
{
	if (d)
		shipper_add(f->shipper, d);
	return d != NULL;
}

static bool add_deliveries(struct forwarding *f, struct diag *d)
{
	if (f->config->redis.servers.n) {
		struct redis_setup s;
		struct delivery_hooks hooks = shipper_hooks(f->shipper);
		redis_setup_of(f, &s);
		if (!add(f, redis_new(&s, &f->redis.broker, &hooks, d)))
			return false;
	}
	if (*f->config->syslog.server) {
		struct syslog_setup s;
		struct delivery_hooks hooks = shipper_hooks(f->shipper);
		syslog_setup_of(f, &s);
		if (!add(f, syslog_new(&s, &f->to_syslog.broker, &hooks, d)))
			return false;
	}
	return true;
}

bool forwarding_open(struct forwarding *f, const char *store, const struct doc_context *doc, struct log *log,
	bool is_live, struct diag *d)
{
	const struct config_outbox *c = &f->config->outbox;
	struct outbox_setup o = {
		.bytes_most = c->max_bytes, .retain_records = c->retain_records, .retain_ms = c->retain_for
	};
	if (f->config->redis.servers.n)
		o.outputs[o.n_outputs++] = "redis";
	if (*f->config->syslog.server)
		o.outputs[o.n_outputs++] = "syslog";
	f->outbox = outbox_open(store, &o, d);
	if (!f->outbox)
		return false;
	f->shipper = shipper_new(
		&(struct shipper_setup){ .outbox = f->outbox, .doc = *doc, .log = is_live ? log : NULL });
	if (f->shipper)
		return add_deliveries(f, d);
	diag_add(d, DIAG_ERROR, "-", 0, 0, "", "not enough memory for the outputs");
	return false;
}

static void end_output(struct forwarding_output *o)
{
	if (o->broker.fd >= 0)
		broker_stop(&o->broker);
	tls_free(o->tls);
	if (o->formatter)
		formatter_free(o->formatter);
}

void forwarding_end(struct forwarding *f)
{
	if (!f->config)
		return;
	shipper_free(f->shipper);
	if (f->outbox)
		outbox_close(f->outbox);
	end_output(&f->redis);
	end_output(&f->to_syslog);
}
