/* fuzz_config: any bytes as a configuration file; what is taken is printed, taken back and printed the same.
 */
#include "run/config.h"

#include "base/assert.h"
#include "fuzz.h"

#include <stdlib.h>

static struct bytes print(const struct config *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	ASSERT(f);
	config_print(c, f);
	fclose(f);
	return bytes_of(text, n);
}

static void round_trip(const struct config *c)
{
	static struct config back;
	struct diag diag = { 0 };
	struct bytes once = print(c);
	config_default(&back);
	ASSERT(config_parse(&back, "printed.yml", once, &diag));
	struct bytes again = print(&back);
	ASSERT(bytes_eq(once, again));
	free((void *)(uintptr_t)once.p);
	free((void *)(uintptr_t)again.p);
	diag_free(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	struct diag diag = { 0 };
	config_default(&config);
	bool good = config_parse(&config, "input.yml", bytes_of(data, size), &diag);
	ASSERT(good == (diag.errors == 0));
	if (good)
		round_trip(&config);
	diag_free(&diag);
	return 0;
}
