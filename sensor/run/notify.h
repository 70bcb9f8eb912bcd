/*
 * notify: systemd's notifications (sd_notify(3)) without its library: one datagram each. Any thread.
 */
#ifndef WW_RUN_NOTIFY_H
#define WW_RUN_NOTIFY_H

#include "base/bytes.h"

/* A connected socket, opened before rights are given up; -1: not started by systemd, or not asked for. */
int notify_open(void);
/* "READY=1", "RELOADING=1\nMONOTONIC_USEC=...", "WATCHDOG=1", "STOPPING=1". fd -1: nothing is done. */
void notify_send(int fd, const char *state);
/* How often WATCHDOG=1 has to come, 0: never. */
uint64_t notify_watchdog_ns(void);

#endif
