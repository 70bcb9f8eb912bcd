/*
 * config: the configuration file (-c), one list of keys (settings.def, base/limits.def) for the check, the
 * defaults and the manual. Start-up only.
 */
#ifndef WW_RUN_CONFIG_H
#define WW_RUN_CONFIG_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/limits.h"
#include "base/privacy.h"
#include "decide/policy.h"

#include <stdio.h>

enum { CONFIG_TEXT = 1024, CONFIG_NETWORKS = 64 };

struct networks {
	struct network list[CONFIG_NETWORKS];
	size_t n;
};

struct config {
	char sensor_name[CONFIG_TEXT];
	char user[CONFIG_TEXT];        /* "": see run/jail.h */
	char policies[CONFIG_TEXT];    /* "": the default */
	char key_file[CONFIG_TEXT];    /* "": none */
	char output[CONFIG_TEXT];      /* "": none */
	struct networks home;          /* besides the private ranges */
	struct policy_options policy;  /* without the home networks */
	char store_file[CONFIG_TEXT];  /* live; "": none */
	char live_filter[CONFIG_TEXT]; /* "": none */
	bool live_promiscuous;
	bool identify;
	bool events;
	char status_socket[CONFIG_TEXT]; /* "": none */
	char metrics_file[CONFIG_TEXT];  /* "": none */
	struct limits limits;
	/* From the key file, else random for this run: then pseudonyms never appear in an output. */
	struct privacy_key key;
};

enum setting_type { SETTING_STRING, SETTING_FILTER, SETTING_BOOL, SETTING_NETWORKS, SETTING_STATUS };

struct setting_row {
	const char *key, *default_text, *sentence;
	enum setting_type type;
	size_t offset; /* in struct config */
};

extern const struct setting_row setting_rows[];
extern const size_t setting_rows_n;

void config_default(struct config *c);
/* Reads the file over what is in c. False: every error, with its place and what would be right, is in diag.
 */
bool config_load(struct config *c, const char *path, struct diag *diag);
/* The same from text; relative paths in it are taken as they are. */
bool config_parse(struct config *c, const char *name, struct bytes text, struct diag *diag);
/* Every key with its sentence, range, default and the value in force: config_load takes it back as it is. */
void config_print(const struct config *c, FILE *out);

#endif
