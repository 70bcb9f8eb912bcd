/*
 * config_value: settings that are one number, size, duration or word. For config.c alone. Start-up only.
 */
#ifndef WW_RUN_CONFIG_VALUE_H
#define WW_RUN_CONFIG_VALUE_H

#include "run/config.h"

/* Of types from SETTING_NUMBER on, into `to`, the member. False: it is none, and nothing was written. */
bool setting_value_parse(const struct setting_row *row, const char *text, void *to);
/* "a duration like 50ms, 3s, 15m, 24h or 7d" */
const char *setting_value_wanted(const struct setting_row *row);

#endif
