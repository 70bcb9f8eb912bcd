/* usage: ship_probe CONFIG STATE COUNT PER-SECOND BYTES [LIVE]
 * COUNT synthetic alerts of BYTES each through outbox and outputs as CONFIG has them; with LIVE what finds no
 * room is lost, as it is live. Prints figures as JSON when all is delivered, or nothing moves for 20 seconds.
 */
#include "run/forwarding.h"
#include "run/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define S UINT64_C(1000000000)

enum { TEXT_MOST = 65536, DRAIN_S = 20 };

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * S + (uint64_t)ts.tv_nsec;
}

static void nap(uint64_t ns)
{
	nanosleep(&(struct timespec){ (time_t)(ns / S), (long)(ns % S) }, NULL);
}

static uint64_t number(const char *text)
{
	uint64_t v = 0;
	return bytes_to_u64(bytes_str(text), &v) ? v : 0;
}

/* As large as real ones, with what every form reads of them. */
static void put(struct shipper *s, uint64_t n, size_t size, bool live)
{
	static char document[TEXT_MOST];
	char id[32];
	enum level level = (enum level)(n % LEVELS);
	int has = snprintf(id, sizeof id, "e1-%020" PRIu64, n);
	int used = snprintf(document, sizeof document,
		"{\"@timestamp\":\"2026-03-01T08:01:00.000600Z\",\"event\":{\"id\":\"%s\",\"kind\":\"alert\"}"
		","
		"\"message\":\"Probe\",\"wardwatch\":{\"class\":\"alert\",\"level\":\"%s\",\"padding\":\"",
		id, level_name(level));
	size_t pad = size > (size_t)used ? size - (size_t)used : 0;
	memset(document + used, 'x', pad);
	int rest = snprintf(document + used + pad, 8, "\"}}");
	struct outbox_record r = { .class = OUTBOX_ALERT,
		.level = level,
		.id = bytes_of(id, (size_t)has),
		.document = bytes_of(document, (size_t)used + pad + (size_t)rest) };
	while (!shipper_put(s, SHIPPER_HUB, &r)) {
		if (live) {
			shipper_lose(s, SHIPPER_HUB, &r);
			return;
		}
		nap(1000000);
	}
}

static int run(struct shipper *s, char **argv, bool live)
{
	struct shipper_figures f;
	uint64_t count = number(argv[3]), rate = number(argv[4]), began = now_ns();
	size_t size = number(argv[5]) < TEXT_MOST - 512 ? number(argv[5]) : TEXT_MOST - 512;
	if (!shipper_start(s, NULL, NULL))
		return 1;
	for (uint64_t n = 1; n <= count; n++) {
		put(s, n, size, live);
		while (rate && now_ns() - began < n * (S / rate))
			nap(500000);
	}
	double putting = (double)(now_ns() - began) / (double)S;
	uint64_t waiting = shipper_stop(s, DRAIN_S * S), lost = 0;
	double all = (double)(now_ns() - began) / (double)S;
	shipper_figures(s, &f);
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned l = 0; l < LEVELS; l++)
			lost += f.outbox.lost[c][l];
	const struct delivery_figures *d = &f.outputs[0].figures;
	printf("{\"putting\":%.3f,\"seconds\":%.3f,\"waiting\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"sent\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"retries\":%" PRIu64
	       ",\"reconnects\":%" PRIu64 ",\"commits\":%" PRIu64 "}\n",
		putting, all, waiting, lost, d->sent, d->duplicates, d->retries, d->reconnects, f.commits);
	return 0;
}

int main(int argc, char **argv)
{
	static struct config c;
	static struct forwarding f;
	struct diag d = { 0 };
	int code = 1;
	config_default(&c);
	if (argc < 6 || !config_load(&c, argv[1], &d))
		goto end;
	struct doc_context doc = { .sensor_name = c.sensor_name };
	struct store *store = NULL;
	if (forwarding_begin(&f, &c, false, &d) && (store = store_open(argv[2], &d)) &&
		forwarding_open(&f, argv[2], &doc, NULL, false, &d))
		code = run(f.shipper, argv, argc > 6);
	forwarding_end(&f);
	store_close(store);
end:
	diag_print(&d, stderr, true);
	diag_free(&d);
	return code;
}
