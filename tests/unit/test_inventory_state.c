/* The inventory as records: what comes back is what was there, and goes on as if nothing had happened. */
#include "decide/inventory_state.h"

#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEPT_MOST = 64 };

struct kept {
	struct bytes record[KEPT_MOST];
	size_t n;
	unsigned gone;
	uint64_t packets;
};

static const struct privacy_key key = { .from_file = true };

static void keep(struct kept *k, const struct device_state *d)
{
	uint8_t *copy = malloc(d->state.n);
	assert_non_null(copy);
	assert_in_range(k->n, 0, KEPT_MOST - 1);
	memcpy(copy, d->state.p, d->state.n);
	k->record[k->n++] = bytes_of(copy, d->state.n);
}

static void forget(struct kept *k)
{
	while (k->n)
		free((void *)(uintptr_t)k->record[--k->n].p);
	k->gone = 0;
}

static void sweep(struct inventory_saver *s, struct kept *k)
{
	struct device_state d;
	for (enum state_kind kind; (kind = inventory_save(s, &d)) != STATE_OVER;) {
		k->gone += kind == STATE_GONE;
		if (kind == STATE_DEVICE)
			keep(k, &d);
	}
}

static void save(struct world *w, struct kept *k, struct mask *m)
{
	struct inventory_saver *s = inventory_saver_new(w->inv, m);
	assert_non_null(s);
	*k = (struct kept){ .packets = inventory_packets(w->inv) };
	sweep(s, k);
	inventory_saver_free(s);
}

/* Another inventory, of the same fingerprints. */
static void begin_anew(struct world *w, const struct kept *k)
{
	inventory_free(w->inv);
	w->inv = inventory_new(&w->limits, &w->counters, w->f, NULL);
	assert_non_null(w->inv);
	inventory_restore_begin(w->inv, k->packets);
	for (size_t i = k->n; i-- > 0;) /* the order does not matter */
		assert_true(inventory_restore(w->inv, k->record[i]));
	assert_true(inventory_restore_end(w->inv));
	w->packet = 0;
}

static void restart(struct world *w)
{
	struct kept k;
	struct mask *m = mask_new(&key, &w->limits);
	assert_non_null(m);
	save(w, &k, m);
	begin_anew(w, &k);
	forget(&k);
	mask_free(m);
}

static void test_all_comes_back(void **state)
{
	struct world *w = *state;
	char before[DEVICE_ID], after[DEVICE_ID];
	struct attr_value v, u;
	uint64_t first, last, first2, last2;
	arp(w, "10.0.0.5", CT);
	sends(w, "fe80::5", CT);
	made(w, "10.0.0.5", CT, "SIEMENS", "SOMATOM Force", "77001");
	says(w, "10.0.0.5", CT, ATTR_HOST_NAME, "ct-soma-01");
	says(w, "10.0.0.5", CT, ATTR_MODEL, "SOMATOM Force");
	arp(w, "10.0.0.1", GW);
	talks(w, "10.9.0.1", GW, "10.0.0.5", CT);
	talks(w, "10.9.0.2", GW, "10.0.0.5", CT);
	behind(w, "10.0.0.9", HIS, "00-09-FB-FF-FE-31-31-31");
	size_t n = inventory_count(w->inv);
	device_id(by_ip(w, "10.0.0.5"), before);
	device_times(by_ip(w, "10.0.0.5"), &first, &last);
	assert_true(device_attr(by_ip(w, "10.0.0.5"), ATTR_MODEL, 0, &v));
	struct attr_value was = v;
	char model[64];
	snprintf(model, sizeof model, "%.*s", (int)v.value.n, (const char *)v.value.p);
	const char *type = device_type(by_ip(w, "10.0.0.5"));
	restart(w);
	assert_int_equal(inventory_count(w->inv), n);
	device_id(by_ip(w, "10.0.0.5"), after);
	assert_string_equal(before, after);
	assert_ptr_equal(by_ip(w, "fe80::5"), by_mac(w, CT));
	device_times(by_ip(w, "10.0.0.5"), &first2, &last2);
	assert_int_equal(first, first2);
	assert_int_equal(last, last2);
	assert_true(device_attr(by_ip(w, "10.0.0.5"), ATTR_MODEL, 0, &u));
	assert_true(bytes_is(u.value, model));
	assert_int_equal(u.first_ns, was.first_ns);
	assert_int_equal(u.confidence, was.confidence);
	assert_string_equal(u.source, was.source);
	assert_int_equal(u.packet, 0); /* of another run */
	assert_ptr_equal(device_type(by_ip(w, "10.0.0.5")), type);
	assert_true(device_is_router(by_mac(w, GW)));
	assert_ptr_not_equal(by_ip(w, "10.9.0.1"), by_mac(w, GW));
	check_attr(by_ip(w, "10.0.0.5"), ATTR_HOST_NAME, "ct-soma-01");
}

static void test_it_goes_on(void **state)
{
	struct world *w = *state;
	char before[DEVICE_ID], after[DEVICE_ID];
	arp(w, "10.0.0.5", CT);
	says(w, "10.0.0.5", CT, ATTR_FIRMWARE, "VB20A");
	device_id(by_mac(w, CT), before);
	unsigned created = w->created;
	restart(w);
	sends(w, "10.0.0.5", CT);
	says(w, "10.0.0.5", CT, ATTR_FIRMWARE, "VB30A");
	assert_int_equal(w->created, created); /* nobody new */
	assert_int_equal(inventory_count(w->inv), 1);
	check_attr(by_mac(w, CT), ATTR_FIRMWARE, "VB30A");
	device_id(by_mac(w, CT), after);
	assert_string_equal(before, after);
	restart(w);
	device_id(by_mac(w, CT), after);
	assert_string_equal(before, after);
	assert_int_equal(device_first_packet(by_mac(w, CT)), 0);
}

static void test_changes_alone(void **state)
{
	struct world *w = *state;
	struct kept k = { .n = 0 };
	struct mask *m = mask_new(&key, &w->limits);
	struct inventory_saver *s = inventory_saver_new(w->inv, m);
	arp(w, "10.0.0.5", CT);
	arp(w, "10.0.0.6", PACS);
	sweep(s, &k);
	assert_int_equal(k.n, 2);
	forget(&k);
	sweep(s, &k);
	assert_int_equal(k.n, 0);
	says(w, "10.0.0.6", PACS, ATTR_MODEL, "X");
	sweep(s, &k);
	assert_int_equal(k.n, 1);
	forget(&k);
	/* What could not be handed on comes again. */
	struct device_state d;
	says(w, "10.0.0.6", PACS, ATTR_MODEL, "Y");
	while (inventory_save(s, &d) != STATE_DEVICE)
		;
	inventory_save_again(s, &d);
	sweep(s, &k);
	assert_int_equal(k.n, 1);
	forget(&k);
	inventory_save_all(s);
	sweep(s, &k);
	assert_int_equal(k.n, 2);
	forget(&k);
	/* A host behind the router that ARP shows to be the scanner's own second address is no device any
	 * more. */
	sends(w, "10.0.0.7", GW);
	sweep(s, &k);
	forget(&k);
	arp(w, "10.0.0.7", CT);
	sweep(s, &k);
	assert_in_range(k.n, 1, 3);
	forget(&k);
	inventory_saver_free(s);
	mask_free(m);
}

static void test_damaged(void **state)
{
	struct world *w = *state;
	struct kept k;
	struct mask *m = mask_new(&key, &w->limits);
	arp(w, "10.0.0.5", CT);
	says(w, "10.0.0.5", CT, ATTR_MODEL, "SOMATOM Force");
	save(w, &k, m);
	assert_int_equal(k.n, 1);
	uint8_t *b = malloc(k.record[0].n);
	assert_non_null(b);
	for (size_t i = 0; i < k.record[0].n; i++) {
		memcpy(b, k.record[0].p, k.record[0].n);
		b[i] ^= 0x40;
		inventory_free(w->inv);
		w->inv = inventory_new(&w->limits, &w->counters, w->f, NULL);
		inventory_restore_begin(w->inv, 0);
		assert_false(inventory_restore(w->inv, bytes_of(b, k.record[0].n)));
		assert_false(inventory_restore(w->inv, bytes_of(k.record[0].p, i)));
		assert_true(inventory_restore_end(w->inv));
		assert_int_equal(inventory_count(w->inv), 0);
	}
	free(b);
	forget(&k);
	mask_free(m);
}

/* A record of HL7: this is a patient's name. */
static void learn_name(struct mask *m, const char *name)
{
	struct rec r;
	struct phi_fact phi = { .class = PHI_PATIENT_NAME, .n_tokens = 1 };
	rec_begin(&r, PROTO_hl7, 0);
	phi.whole = privacy_pseudonym(&key, bytes_str(name));
	phi.token[0] = privacy_word(&key, bytes_str(name));
	struct event *e = rec_event(&r);
	struct fact *f = (struct fact *)(void *)(r.b + e->len);
	*f = (struct fact){ .field = FIELD_NONE, .type = FACT_PHI, .len = sizeof phi };
	memcpy(f->value, &phi, sizeof phi);
	e->len += (uint32_t)(sizeof *f + ((sizeof phi + 7) & ~(size_t)7));
	e->n_facts++;
	mask_learn(m, e);
}

static void test_masked(void **state)
{
	struct world *w = *state;
	struct kept k;
	struct attr_value v;
	struct mask *m = mask_new(&key, &w->limits);
	arp(w, "10.0.0.5", CT);
	says(w, "10.0.0.5", CT, ATTR_HOST_NAME, "quastenberg-pc");
	assert_true(device_attr(by_mac(w, CT), ATTR_HOST_NAME, 0, &v));
	uint64_t first = v.first_ns;
	learn_name(m, "quastenberg");
	save(w, &k, m);
	for (size_t i = 0; i < k.n; i++)
		assert_int_equal(bytes_find(k.record[i], 0, bytes_str("quastenberg")), k.record[i].n);
	begin_anew(w, &k);
	check_attr(by_mac(w, CT), ATTR_HOST_NAME, MASKED "-pc");
	/* It is not news that it is called what it can have been called. */
	says(w, "10.0.0.5", CT, ATTR_HOST_NAME, "quastenberg-pc");
	check_attr(by_mac(w, CT), ATTR_HOST_NAME, "quastenberg-pc");
	assert_true(device_attr(by_mac(w, CT), ATTR_HOST_NAME, 0, &v));
	assert_int_equal(v.first_ns, first);
	forget(&k);
	mask_free(m);
}

static void test_no_room(void **state)
{
	struct world *w = *state;
	struct kept k;
	struct mask *m = mask_new(&key, &w->limits);
	arp(w, "10.0.0.5", CT);
	arp(w, "10.0.0.6", PACS);
	save(w, &k, m);
	assert_int_equal(k.n, 2);
	inventory_free(w->inv);
	struct limits small = w->limits;
	small.addresses = 3;
	w->inv = inventory_new(&small, &w->counters, w->f, NULL);
	inventory_restore_begin(w->inv, k.packets);
	assert_true(inventory_restore(w->inv, k.record[0]));
	assert_false(inventory_restore(w->inv, k.record[1]));
	assert_true(inventory_restore_end(w->inv));
	arp(w, "10.0.0.8", MON); /* it goes on */
	forget(&k);
	mask_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_comes_back, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_it_goes_on, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_changes_alone, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_damaged, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_masked, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_no_room, world_setup, world_teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
