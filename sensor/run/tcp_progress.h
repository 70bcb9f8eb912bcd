/* tcp_progress: how far the two kernels of a TCP connection are, for who has no other acknowledgement. */
#ifndef WW_RUN_TCP_PROGRESS_H
#define WW_RUN_TCP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes that our kernel was given, and those of them that the other side's has acknowledged; both from the
 * same start. False: it cannot be said now (the connection is at its end, or moves too quickly), or it is no
 * TCP. Linux. */
bool tcp_progress(int fd, uint64_t *given, uint64_t *taken);

#endif
