/* fuzz_config: any bytes as a configuration file. */
#include "run/config.h"

#include "base/assert.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	struct diag diag = { 0 };
	config_default(&config);
	bool good = config_parse(&config, "input.yml", bytes_of(data, size), &diag);
	ASSERT(good == (diag.errors == 0));
	diag_free(&diag);
	return 0;
}
