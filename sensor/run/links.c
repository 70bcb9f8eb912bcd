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
