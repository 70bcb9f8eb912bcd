/* --print-config: the configuration in force as a file that -c takes back. */
#include "base/json.h"
#include "run/config.h"

static void comment(FILE *out, const char *sentence, const char *default_text)
{
	fprintf(out, *default_text ? "# %s (default %s)\n" : "# %s%s\n", sentence, default_text);
}

/* Within double quotes YAML 1.2 knows every escape of JSON. */
static void print_string(FILE *out, const void *value)
{
	static uint8_t escaped[6 * CONFIG_TEXT];
	size_t n = json_escape(bytes_str(value), escaped);
	fprintf(out, "\"%.*s\"", (int)n, (const char *)escaped);
}

static void print_bool(FILE *out, const void *value)
{
	bool on;
	memcpy(&on, value, sizeof on);
	fputs(on ? "on" : "off", out);
}

static void print_networks(FILE *out, const void *value)
{
	const struct networks *nets = value;
	char text[ADDR_TEXT];
	fputc('[', out);
	for (size_t i = 0; i < nets->n; i++)
		fprintf(out, "%s\"%s/%u\"", i ? ", " : "", addr_text(&nets->list[i].addr, text),
			nets->list[i].bits);
	fputc(']', out);
}

static void print_status(FILE *out, const void *value)
{
	enum rule_status s;
	memcpy(&s, value, sizeof s);
	fputs(rule_status_name(s), out);
}

static void print_texts(FILE *out, const void *value)
{
	const struct texts *t = value;
	fputc('[', out);
	for (size_t i = 0; i < t->n; i++) {
		fputs(i ? ", " : "", out);
		print_string(out, t->list[i]);
	}
	fputc(']', out);
}

static void print_number(FILE *out, const void *value)
{
	uint64_t n;
	memcpy(&n, value, sizeof n);
	fprintf(out, "%llu", (unsigned long long)n);
}

static void print_duration(FILE *out, const void *value)
{
	print_number(out, value);
	fputs("ms", out);
}

static void print_real(FILE *out, const void *value)
{
	double d;
	memcpy(&d, value, sizeof d);
	fprintf(out, "%.17g", d);
}

static void (*const printers[])(FILE *out, const void *value) = {
	[SETTING_STRING] = print_string,
	[SETTING_FILTER] = print_string,
	[SETTING_BOOL] = print_bool,
	[SETTING_NETWORKS] = print_networks,
	[SETTING_STATUS] = print_status,
	[SETTING_TEXTS] = print_texts,
	[SETTING_NUMBER] = print_number,
	[SETTING_COUNT] = print_number,
	[SETTING_BYTES] = print_number,
	[SETTING_DURATION] = print_duration,
	[SETTING_REAL] = print_real,
	[SETTING_CHOICE] = print_string,
};

void config_print(const struct config *c, FILE *out)
{
	fputs("# wardwatch " WW_VERSION ": every key of the configuration, with the value in force.\n", out);
	for (size_t i = 0; i < setting_rows_n; i++) {
		const struct setting_row *row = &setting_rows[i];
		fputc('\n', out);
		comment(out, row->sentence, row->default_text);
		fprintf(out, "%s: ", row->key);
		printers[row->type](out, (const char *)c + row->offset);
		fputc('\n', out);
	}
	for (size_t i = 0; i < limit_rows_n; i++) {
		const struct limit_row *row = &limit_rows[i];
		uint64_t n;
		memcpy(&n, (const char *)&c->limits + row->offset, sizeof n);
		fprintf(out, "\n# %s (%llu to %llu, default %llu)\nlimits.%s: %llu\n", row->sentence,
			(unsigned long long)row->least, (unsigned long long)row->most,
			(unsigned long long)row->def, row->name, (unsigned long long)n);
	}
}
