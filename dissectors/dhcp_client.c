#include "dhcp.h"

#include <stdio.h>

static uint16_t number(struct cur *c, bool wide)
{
	return wide ? cur_be16(c) : cur_u8(c);
}

struct bytes dhcp_wire_name(struct bytes in, struct dhcp_name *t)
{
	struct cur c = cur_of(in);
	t->n = 0;
	while (cur_more(&c)) {
		uint8_t len = cur_u8(&c);
		struct cur label = cur_sub(&c, len);
		if (len == 0 || len > 63 || !cur_ok(&c) || t->n + len + 1u >= sizeof t->s)
			break;
		if (t->n)
			t->s[t->n++] = '.';
		while (cur_more(&label))
			t->s[t->n++] = (char)cur_u8(&label);
	}
	return bytes_of(t->s, t->n);
}

struct bytes dhcp_number_list(struct bytes in, bool wide, char out[LIST_BYTES])
{
	enum { LONGEST = sizeof ",65535" };
	struct cur c = cur_of(in);
	size_t n = 0;
	while (cur_left(&c) >= (wide ? 2 : 1) && n + LONGEST <= LIST_BYTES)
		n += (size_t)snprintf(out + n, LIST_BYTES - n, n ? ",%u" : "%u", number(&c, wide));
	return bytes_of(out, n);
}

struct bytes dhcp_user_classes(struct dx *x, unsigned field, struct bytes in, bool wide)
{
	struct bytes first = { 0 };
	struct cur c = cur_of(in);
	for (unsigned i = 0; i < 16 && cur_more(&c); i++) {
		struct bytes v = cur_take(&c, number(&c, wide));
		ev_str(x, field, v);
		if (first.n == 0)
			first = v;
	}
	return first;
}

/* The first label stands for the host: option 12 and others name it so. */
static struct bytes first_label(struct bytes name)
{
	return bytes_first(name, bytes_chr(name, 0, '.'));
}

void dhcp_observe_client(struct dx *x, const struct dhcp_client *k)
{
	ob_str(x, ATTR_HOST_NAME, k->host_name.n ? k->host_name : first_label(k->fqdn), SURE);
	ob_str(x, ATTR_DHCP_VENDOR_CLASS, k->vendor_class, SURE);
	ob_str(x, ATTR_DHCP_USER_CLASS, k->user_class, SURE);
}

struct mac dhcp_mac(struct cur *c)
{
	struct mac m;
	for (unsigned i = 0; i < sizeof m.b; i++)
		m.b[i] = cur_u8(c);
	return m;
}

bool dhcp_mac_is_host(const struct mac *m)
{
	return !mac_is_zero(m) && !mac_is_group(m);
}

uint16_t dhcp_port_to(const struct dx *x)
{
	return x->dir == DIR_CLIENT ? x->conv->dport : x->conv->sport;
}
