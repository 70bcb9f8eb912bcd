/* fuzz_yaml: any bytes as a YAML document of ours: a tree or reasons, nothing else. */
#include "base/yaml.h"

#include "base/assert.h"
#include "fuzz.h"

static unsigned count(const struct yaml_node *n)
{
	unsigned sum = 1;
	ASSERT(n->line > 0 && n->column > 0);
	for (size_t i = 0; i < n->n; i++)
		sum += count(n->items[i]) + (n->keys ? count(n->keys[i]) : 0);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct yaml_file file = { 0 };
	struct diag diag = { 0 };
	bool good = yaml_parse("input.yml", bytes_of(data, size), &file, &diag);
	ASSERT(good == (diag.errors == 0));
	for (size_t i = 0; i < file.n; i++)
		count(file.docs[i]);
	yaml_fini(&file);
	diag_free(&diag);
	return 0;
}
