/* fuzz_policy: any bytes as a policy file; what loads runs its own inline tests. */
#include "decide/policy.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag diag = { 0 };
	unsigned ran;
	struct policy *p = policy_load_text("input.yml", bytes_of(data, size), &diag);
	if (p)
		(void)policy_test(p, &diag, &ran);
	policy_free(p);
	diag_free(&diag);
	return 0;
}
