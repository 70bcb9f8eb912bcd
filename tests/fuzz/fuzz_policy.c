/* fuzz_policy: any bytes as a policy file; what loads runs its own inline tests. */
#include "decide/policy.h"

#include "fuzz.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct diag diag = { 0 };
	unsigned ran;
	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	struct policy *p = policy_load_text("input.yml", bytes_of(data, size), &diag);
	if (p)
		(void)policy_test(p, nowhere, &ran);
	policy_free(p);
	diag_free(&diag);
	return 0;
}
