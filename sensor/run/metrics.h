/*
 * metrics: a sensor's vitals in Prometheus' text format 0.0.4, for the status socket and for node-exporter's
 * textfile collector. Names: wardwatch_, base units, _total on counters; every counter of base/counters.def
 * is wardwatch_<name>_total, but for those that metrics.c gives another name or puts into a family. Any
 * thread; nothing allocates.
 */
#ifndef WW_RUN_METRICS_H
#define WW_RUN_METRICS_H

#include "run/vitals.h"

enum { METRICS_MAX = 192 << 10 };

/* Bytes written; 0: it does not fit in cap (METRICS_MAX is enough for 64 interfaces and 64 workers). */
size_t metrics_text(const struct vitals *v, char *out, size_t cap);

/* The path appears whole or not at all, readable by all. False: errno says why. The temporary file stands
 * beside it, its name does not end as the collector wants names to (.prom). */
bool metrics_file(const char *path, struct bytes text);

#endif
