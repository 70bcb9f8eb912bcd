/*
 * store_values: the attributes in a device's document (documents.h, device_json) as a list of values, so that
 * two documents can be compared. For store_device.c; shipper thread.
 */
#ifndef WW_RUN_STORE_VALUES_H
#define WW_RUN_STORE_VALUES_H

#include "base/json_read.h"

enum { STORE_ATTRIBUTE = 64 };

/* Slices of the document, numbers and times as JSON; what it does not say is empty. */
struct store_value {
	char attribute[STORE_ATTRIBUTE];
	struct bytes value, source, packet, confidence, first, last;
};

struct store_values {
	struct store_value *all;
	size_t n, cap;
};

/* Replaces what v has. False: no memory. */
bool store_values_of(struct store_values *v, const struct json_tree *document);
void store_values_fini(struct store_values *v);
/* That value of that attribute; NULL: none. near: where it would stand if little had changed. */
const struct store_value *store_values_find(
	const struct store_values *v, const struct store_value *like, size_t near);

#endif
