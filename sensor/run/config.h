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
#include "run/rotation.h"

#include <stdio.h>

enum { CONFIG_TEXT = 1024, CONFIG_NETWORKS = 64 };

struct networks {
	struct network list[CONFIG_NETWORKS];
	size_t n;
};

enum { CONFIG_TEXTS = 16, CONFIG_WORD = 16 };

struct texts {
	char list[CONFIG_TEXTS][256];
	size_t n;
};

/* Of TLS to a server; "": none. */
struct config_tls {
	char ca[CONFIG_TEXT], cert[CONFIG_TEXT], key[CONFIG_TEXT], server_name[CONFIG_TEXT];
	char min[CONFIG_WORD];
};

struct config_login {
	char username[CONFIG_TEXT], password_file[CONFIG_TEXT]; /* "": none */
};

/* siem-conventions.md section 4.1. Times in milliseconds. */
struct config_redis {
	struct texts servers; /* none: no Redis */
	char mode[CONFIG_WORD], format[CONFIG_WORD];
	char key[CONFIG_TEXT], field[CONFIG_TEXT];
	bool extra_fields, plaintext;
	struct config_login auth;
	struct config_tls tls;
	char sentinel_master[CONFIG_TEXT];
	struct texts sentinel_servers;
	struct config_login sentinel_auth;
	char cluster[CONFIG_WORD];
	struct networks networks;
	uint64_t database;
	uint64_t max_entries, max_bytes, max_delay, in_flight;
	uint64_t connect_timeout, reply_timeout, idle_ping;
	uint64_t backoff_first, backoff_most;
	double backoff_factor, backoff_jitter;
	uint64_t trim_entries, trim_age;
	bool trim_approximately;
	uint64_t wait_replicas, wait_timeout;
	uint64_t retention;
};

struct config_syslog {
	char server[CONFIG_TEXT]; /* "": no syslog */
	char format[CONFIG_WORD], facility[CONFIG_WORD];
	struct config_tls tls;
	bool plaintext;
	uint64_t max_bytes;
	uint64_t connect_timeout, backoff_first, backoff_most;
};

struct config_outbox {
	uint64_t max_bytes, retain_records, retain_for, drain;
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
	struct rotation rotation;
	char status_socket[CONFIG_TEXT]; /* "": none */
	char metrics_file[CONFIG_TEXT];  /* "": none */
	struct config_redis redis;
	struct config_syslog syslog;
	struct config_outbox outbox;
	struct limits limits;
	/* From the key file, else random for this run: then pseudonyms never appear in an output. */
	struct privacy_key key;
};

enum setting_type {
	SETTING_STRING,
	SETTING_FILTER,
	SETTING_BOOL,
	SETTING_NETWORKS,
	SETTING_STATUS,
	SETTING_TEXTS,    /* a list of texts, or one */
	SETTING_NUMBER,   /* a whole number, 0 or more */
	SETTING_COUNT,    /* 1 or more */
	SETTING_BYTES,    /* 512, 64KiB, 1MiB, 2GiB */
	SETTING_DURATION, /* 50ms, 3s, 15m, 24h, 7d; in milliseconds */
	SETTING_REAL,     /* 0 or more */
	SETTING_CHOICE,   /* one of the words of `choices`, CONFIG_WORD at most */
};

struct setting_row {
	const char *key, *default_text, *sentence;
	const char *choices; /* SETTING_CHOICE: "stream|list|channel" */
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
