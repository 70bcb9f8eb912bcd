#include "run/links.h"

#define SECOND  UINT64_C(1000000000)
#define LAST_NS (2 * SECOND)

bool links_look(struct links *l, size_t interface, bool is_up, uint64_t now_ns, uint64_t *seconds)
{
	struct link_state *s = &l->link[interface];
	*seconds = 0;
	if (s->told_ns == 0 || s->is_down == !is_up) {
		s->told_ns = now_ns;
		return false;
	}
	if (now_ns - s->told_ns < LAST_NS)
		return false;
	if (is_up)
		*seconds = (now_ns - s->changed_ns) / SECOND;
	else
		s->changed_ns = s->told_ns;
	s->is_down = !is_up;
	s->told_ns = now_ns;
	return true;
}

void links_tell(
	struct links *l, struct hub *h, struct log *log, size_t interface, bool is_up, uint64_t now_ns)
{
	uint64_t seconds;
	if (!links_look(l, interface, is_up, now_ns, &seconds))
		return;
	const char *name = h->input_name(h->input_arg, (uint32_t)interface);
	hub_tell_link(h, (uint32_t)interface, is_up, seconds);
	if (is_up)
		log_notice(log, "interface %s is up, after %llu seconds", name, (unsigned long long)seconds);
	else
		log_warning(log, "interface %s is down: it is waited for", name);
}
