/*
 * steady: the time of a live sensor, which does not stand still when the wall's clock is set back.
 *
 * A worker's time never goes back (design.md section 1). Were it to wait until a clock that was set back by
 * an hour is where it was, no conversation would end in that hour, no window would close and no loss would be
 * told. So its time goes on from where it was, and is ahead of the wall's by as much until the next start.
 * Clocks that are set forward are followed.
 */
#ifndef WW_RUN_STEADY_H
#define WW_RUN_STEADY_H

#include <stdint.h>

enum { STEADY_BACK_S = 10 /* by less the packets of two interfaces lie apart, and a clock is trimmed */ };

/* One worker's; all zero at first. */
struct steady {
	uint64_t ahead_ns; /* of the wall's clock */
};

/* The worker's time when the wall's is wall_ns and the worker's was last_ns (all since 1970). *back_ns: by
 * how much the wall's clock was set back just now, else 0. */
uint64_t steady_ns(struct steady *s, uint64_t wall_ns, uint64_t last_ns, uint64_t *back_ns);

#endif
