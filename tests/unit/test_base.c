/* The containers against naive models, and the boundaries of the cursor. */
#include "base/addr.h"
#include "base/buddy.h"
#include "base/digest.h"
#include "base/hash.h"
#include "base/lru.h"
#include "base/pool.h"
#include "base/privacy.h"
#include "base/ring.h"
#include "base/table.h"
#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static uint32_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* ---- cursor ------------------------------------------------------------------------------ */

static void cursor_boundaries(void **state)
{
	(void)state;
	static const uint8_t raw[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	for (size_t n = 0; n <= sizeof raw; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		assert_non_null(exact);
		memcpy(exact, raw, n);
		struct cur c = cur_of(bytes_of(exact, n));
		assert_int_equal(cur_be64(&c), n >= 8   ? 0x0102030405060708ull
					       : n >= 4 ? 0x0102030400000000ull
							: 0);
		assert_int_equal(cur_ok(&c), n >= 8);
		c = cur_of(bytes_of(exact, n));
		assert_int_equal(cur_le32(&c), n >= 4 ? 0x04030201u : 0);
		c = cur_of(bytes_of(exact, n));
		assert_int_equal(cur_be24(&c), n >= 3 ? 0x010203u : 0);
		free(exact);
	}
}

static void cursor_stays_bad(void **state)
{
	(void)state;
	struct cur c = cur_of(bytes_str("abc"));
	cur_skip(&c, 4);
	assert_false(cur_ok(&c));
	assert_false(cur_more(&c));
	assert_int_equal(cur_u8(&c), 0);
	assert_int_equal(cur_rest(&c).n, 0);
	assert_int_equal(cur_until(&c, 'b').n, 0);
	struct cur s = cur_sub(&c, 1);
	assert_false(cur_ok(&s));
}

static void cursor_until(void **state)
{
	(void)state;
	struct cur c = cur_of(bytes_str("ab||c"));
	assert_true(bytes_is(cur_until(&c, '|'), "ab"));
	assert_true(bytes_is(cur_until(&c, '|'), ""));
	assert_true(bytes_is(cur_until(&c, '|'), "c"));
	assert_true(cur_ok(&c));
	assert_int_equal(cur_until(&c, '|').n, 0);
}

static void views(void **state)
{
	(void)state;
	uint64_t v;
	assert_true(bytes_is(bytes_sub(bytes_str("abcdef"), 2, 2), "cd"));
	assert_true(bytes_is(bytes_sub(bytes_str("abc"), 9, 2), ""));
	assert_true(bytes_is(bytes_trim(bytes_str(" \tx y\n ")), "x y"));
	assert_true(bytes_is(bytes_trim(bytes_of("ab\0cd", 5)), "ab"));
	assert_int_equal(bytes_find(bytes_str("xxabxab"), 3, bytes_str("ab")), 5);
	assert_int_equal(bytes_find(bytes_str("xx"), 0, bytes_str("abc")), 2);
	assert_true(bytes_to_u64(bytes_str("18446744073709551615"), &v) && v == UINT64_MAX);
	assert_false(bytes_to_u64(bytes_str("18446744073709551616"), &v));
	assert_false(bytes_to_u64(bytes_str(""), &v));
	assert_false(bytes_to_u64(bytes_str("1a"), &v));
	assert_int_equal(bytes_at(bytes_str("a"), 1), -1);
}

/* ---- addresses --------------------------------------------------------------------------- */

static void addresses(void **state)
{
	(void)state;
	struct addr a, b;
	char text[ADDR_TEXT];
	assert_true(addr_parse(bytes_str("::ffff:10.1.2.3"), &a));
	assert_true(addr_parse(bytes_str("10.1.2.3"), &b));
	assert_true(addr_eq(&a, &b));
	assert_string_equal(addr_text(&a, text), "10.1.2.3");
	assert_true(addr_parse(bytes_str("2001:db8:0:0:0:0:0:1"), &a));
	assert_string_equal(addr_text(&a, text), "2001:db8::1");
	assert_false(addr_parse(bytes_str("10.1.2"), &a));
	assert_false(addr_parse(bytes_of("10.1.2.3\0x", 10), &a));
	struct addr net;
	assert_true(addr_parse(bytes_str("10.1.0.0"), &net));
	assert_true(addr_in(&b, &net, 16));
	assert_false(addr_in(&b, &net, 24));
	assert_true(addr_in(&b, &net, 22));
	assert_false(addr_in(&b, &net, 33));
	static const struct {
		const char *text;
		bool host, private;
	} rows[] = { { "10.0.0.1", true, true }, { "172.31.0.1", true, true }, { "172.32.0.1", true, false },
		{ "224.0.0.1", false, false }, { "255.255.255.255", false, false },
		{ "0.0.0.0", false, false }, { "127.0.0.1", false, true }, { "fe80::1", true, true },
		{ "fd00::1", true, true }, { "2001:db8::1", true, false }, { "ff02::1", false, false },
		{ "::", false, false } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_true(addr_parse(bytes_str(rows[i].text), &a));
		assert_int_equal(addr_is_host(&a), rows[i].host);
		assert_int_equal(addr_is_private(&a), rows[i].private);
	}
}

static void macs(void **state)
{
	(void)state;
	struct mac m;
	char text[MAC_TEXT];
	assert_true(mac_parse(bytes_str("00:1b-2C.3d4e5F"), &m));
	assert_string_equal(mac_text(&m, text), "00-1B-2C-3D-4E-5F");
	assert_false(mac_parse(bytes_str("00:1b:2c:3d:4e"), &m));
	assert_false(mac_parse(bytes_str("00:1b:2c:3d:4e:5f:60"), &m));
	assert_false(mac_parse(bytes_str("00:1b:2c:3d:4e:5g"), &m));
}

/* ---- hashes ------------------------------------------------------------------------------ */

static void digests(void **state)
{
	(void)state;
	char hex[33], b32[24], b64[32];
	uint8_t sum[32];
	md5_hex(bytes_str("abc"), hex); /* RFC 1321 A.5 */
	assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
	sha1_of(bytes_str("abc"), sum);
	base64_of(bytes_of(sum, 20), b64);
	assert_string_equal(b64, "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
	base32hex(bytes_str("foobar"), 48, b32); /* RFC 4648 section 10: CPNMUOJ1E8====== */
	assert_string_equal(b32, "cpnmuoj1e8");
	base64_of(bytes_str("fooba"), b64);
	assert_string_equal(b64, "Zm9vYmE=");
}

/* The same person however a protocol writes him: case, UTF-8 or ISO 8859-1. */
static void pseudonyms_of_alphabets(void **state)
{
	(void)state;
	static const char *const same[] = { "M\xc3\x9cLLENH\xc3\x96"
					    "FER",
		"m\xc3\xbcllenh\xc3\xb6"
		"fer",
		"M\xfcllenh\xf6"
		"fer",
		"M\xdcLLENH\xd6"
		"FER" };
	struct privacy_key k;
	privacy_key_init(&k, bytes_str("k"), false);
	struct pseudonym first = privacy_pseudonym(&k, bytes_str(same[0]));
	for (size_t i = 1; i < sizeof same / sizeof *same; i++) {
		struct pseudonym p = privacy_pseudonym(&k, bytes_str(same[i]));
		assert_memory_equal(&p, &first, sizeof p);
	}
	struct pseudonym other = privacy_pseudonym(&k, bytes_str("Mullenhofer"));
	assert_memory_not_equal(&other, &first, sizeof other);
}

static void pseudonyms(void **state)
{
	(void)state;
	struct privacy_key k, other;
	privacy_key_init(&k, bytes_str("key"), false);
	privacy_key_init(&other, bytes_str("yek"), false);
	struct pseudonym a = privacy_pseudonym(&k, bytes_str(" The quick brown fox "));
	struct pseudonym b = privacy_pseudonym(&k, bytes_str("THE QUICK BROWN FOX"));
	struct pseudonym c = privacy_pseudonym(&other, bytes_str("THE QUICK BROWN FOX"));
	assert_memory_equal(&a, &b, sizeof a);
	assert_memory_not_equal(&a, &c, sizeof a);
}

static void hmac_is_rfc_2104(void **state)
{
	(void)state;
	/* Digits alone, since all else is folded; the sum is Python's hmac.new(b"\xaa" * 20, b"0123456789" *
	 * 7). */
	static const char digits[] = "0123456789012345678901234567890123456789012345678901234567890123456789";
	static const uint8_t want[PSEUDONYM_BYTES] = { 0xd5, 0x86, 0x2e, 0x43, 0x7c, 0x85, 0x7c, 0x88, 0x5a,
		0x38 };
	uint8_t key[20];
	struct privacy_key k;
	memset(key, 0xaa, sizeof key);
	privacy_key_init(&k, bytes_of(key, sizeof key), true);
	struct pseudonym p = privacy_pseudonym(&k, bytes_str(digits));
	assert_memory_equal(p.b, want, sizeof want);
}

static void tokens(void **state)
{
	(void)state;
	size_t at = 0;
	struct bytes text = bytes_str("Okonkwo^Al-Adaeze 19710412,xy");
	assert_true(bytes_is(privacy_token(text, &at), "Okonkwo"));
	assert_true(bytes_is(privacy_token(text, &at), "Adaeze"));
	assert_true(bytes_is(privacy_token(text, &at), "19710412"));
	assert_int_equal(privacy_token(text, &at).n, 0);
}

/* ---- pool, table ------------------------------------------------------------------------- */

static void pool_gives_zeroed_objects_and_ends(void **state)
{
	(void)state;
	struct pool p;
	static const uint8_t zero[24];
	assert_true(pool_init(&p, 20, 5));
	uint32_t got[6];
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 6; i++) {
			got[i] = pool_get(&p);
			assert_int_equal(got[i] != 0, i < 5);
			if (got[i]) {
				assert_memory_equal(pool_at(&p, got[i]), zero, sizeof zero);
				memset(pool_at(&p, got[i]), 0xff, 24);
			}
		}
		for (unsigned i = 0; i < 5; i++)
			pool_put(&p, got[i]);
		assert_int_equal(p.used, 0);
	}
	p.fail_at = 2;
	assert_int_not_equal(pool_get(&p), 0);
	assert_int_equal(pool_get(&p), 0);
	assert_int_equal(pool_get(&p), 0);
	pool_fini(&p);
}

enum { KEYS = 300 };

static void table_against_a_list(void **state)
{
	(void)state;
	struct table t;
	bool in[KEYS + 1] = { false };
	unsigned used = 0;
	seed = 1;
	assert_true(table_init(&t, 150));
	for (unsigned step = 0; step < 40000; step++) {
		uint32_t k = 1 + below(KEYS);
		uint64_t hash = k * 0x10001u % 97; /* few values: many collisions */
		if (!in[k] && used < 150) {
			table_put(&t, hash, k);
			in[k] = true;
			used++;
		} else if (in[k]) {
			table_del(&t, hash, k);
			in[k] = false;
			used--;
		}
		uint32_t look = 1 + below(KEYS), i;
		bool found = false;
		hash = look * 0x10001u % 97;
		for (uint32_t at = table_first(&t, hash); (i = table_at(&t, at, hash)) != TABLE_END;
			at = table_next(&t, at))
			found |= i == look;
		assert_int_equal(found, in[look]);
		assert_int_equal(t.used, used);
	}
	table_fini(&t);
}

static void hash_depends_on_key_and_every_byte(void **state)
{
	(void)state;
	struct hash_key a = { 1, 2 }, b = { 1, 3 };
	uint8_t bytes[33] = { 0 };
	for (size_t n = 1; n <= sizeof bytes; n++) {
		uint64_t h = hash_bytes(&a, bytes, n);
		assert_true(h != hash_bytes(&b, bytes, n));
		for (size_t i = 0; i < n; i++) {
			bytes[i] ^= 0x40;
			assert_true(h != hash_bytes(&a, bytes, n));
			bytes[i] ^= 0x40;
		}
	}
}

/* ---- ring -------------------------------------------------------------------------------- */

static void ring_keeps_order_and_content(void **state)
{
	(void)state;
	struct ring r;
	uint32_t put = 0, got = 0, n;
	seed = 7;
	assert_true(ring_init(&r, 4096));
	for (unsigned step = 0; step < 30000; step++) {
		uint32_t size = 4 + below(700);
		uint8_t *p = ring_reserve(&r, size + below(100));
		if (p && below(10) > 0) {
			memset(p, (int)(put & 0xff), size);
			memcpy(p, &put, sizeof put);
			ring_commit(&r, size);
			put++;
		}
		const uint8_t *o = below(2) || !p ? ring_peek(&r, &n) : NULL;
		if (o) {
			uint32_t v;
			memcpy(&v, o, sizeof v);
			assert_int_equal(v, got);
			assert_int_equal(((uintptr_t)o) % 8, 0);
			for (uint32_t i = 4; i < n; i++)
				assert_int_equal(o[i], got & 0xff);
			ring_pop(&r);
			got++;
		}
	}
	assert_true(put - got < 4096 && got > 5000);
	assert_null(ring_reserve(&r, 4096));
	ring_fini(&r);
}

/* ---- buddy ------------------------------------------------------------------------------- */

static void buddy_blocks_never_overlap(void **state)
{
	(void)state;
	enum { BLOCKS = 200 };
	struct buddy b;
	uint32_t block[BLOCKS] = { 0 };
	size_t size[BLOCKS];
	seed = 11;
	assert_true(buddy_init(&b, 2 << 20));
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = below(BLOCKS);
		if (block[i]) {
			const uint8_t *p = buddy_at(&b, block[i]);
			assert_true(p[0] == (uint8_t)i && p[size[i] - 1] == (uint8_t)i &&
				    p[size[i] / 2] == (uint8_t)i);
			buddy_put(&b, block[i]);
			block[i] = 0;
			continue;
		}
		size[i] = 1 + below(below(8) ? 5000 : BUDDY_MOST);
		block[i] = buddy_get(&b, size[i]);
		if (block[i]) {
			assert_true(buddy_size(&b, block[i]) >= size[i]);
			memset(buddy_at(&b, block[i]), (int)i, size[i]);
		}
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		if (block[i])
			buddy_put(&b, block[i]);
	assert_int_equal(b.used_kib, 0);
	/* All joined again: the largest blocks are there. */
	for (unsigned i = 0; i < 8; i++)
		assert_int_not_equal(buddy_get(&b, BUDDY_MOST), 0);
	assert_int_equal(buddy_get(&b, 1), 0);
	buddy_fini(&b);
}

/* ---- lru --------------------------------------------------------------------------------- */

struct used {
	struct lru_link link;
	uint64_t turn; /* of the last touch */
	bool is_strong;
};

static void lru_lets_the_oldest_out(void **state)
{
	(void)state;
	enum { N = 32 };
	struct pool p;
	struct lru l;
	seed = 4;
	assert_true(pool_init(&p, sizeof(struct used), N));
	lru_init(&l, &p, offsetof(struct used, link));
	assert_int_equal(lru_oldest(&l, 0), 0);
	for (uint32_t i = 1; i <= N; i++)
		assert_int_equal(pool_get(&p), i);
	for (uint64_t turn = 1; turn < 5000; turn++) {
		uint32_t i = 1 + below(N), keep = below(N + 1), want = 0;
		struct used *u = pool_at(&p, i);
		u->turn = below(8) ? turn : 0;
		u->is_strong = below(2);
		if (u->turn)
			lru_touch(&l, i, u->is_strong, turn);
		else
			lru_del(&l, i);
		for (uint32_t k = 1; k <= N; k++) {
			const struct used *a = pool_at(&p, k), *b = pool_at(&p, want);
			if (a->turn && k != keep &&
				(!want || a->is_strong < b->is_strong ||
					(a->is_strong == b->is_strong && a->turn < b->turn)))
				want = k;
		}
		assert_int_equal(lru_oldest(&l, keep), want);
	}
	pool_fini(&p);
}

/* ---- wheel ------------------------------------------------------------------------------- */

struct timed {
	struct wheel_link link;
	uint8_t key[4];
	uint64_t due;
};

static void timed_wheel(struct wheel *w, const struct pool *p)
{
	wheel_init(w, p, offsetof(struct timed, link), offsetof(struct timed, key), sizeof(uint8_t[4]));
}

static void wheel_fires_when_due(void **state)
{
	(void)state;
	enum { N = 64 };
	struct pool p;
	struct wheel w;
	uint32_t index[N];
	seed = 3;
	assert_true(pool_init(&p, sizeof(struct timed), N));
	timed_wheel(&w, &p);
	w.now_s = 1000;
	for (unsigned i = 0; i < N; i++) {
		index[i] = pool_get(&p);
		struct timed *t = pool_at(&p, index[i]);
		t->due = 1001 + below(2000);
		wheel_add(&w, index[i], t->due);
	}
	for (uint64_t now = 1000; now < 6000; now += below(40)) {
		uint64_t at, last = 0;
		uint32_t i;
		while ((i = wheel_fire(&w, now, &at)) != 0) {
			struct timed *t = pool_at(&p, i);
			assert_true(at <= now && at >= last);
			last = at;
			if (t->due > at) { /* too far away for one round */
				wheel_add(&w, i, t->due);
				continue;
			}
			assert_true(t->due == at);
			t->due = at + 1 + below(700);
			wheel_add(&w, i, t->due);
		}
		assert_int_equal(w.n, N);
		for (unsigned k = 0; k < N; k++)
			assert_true(((struct timed *)pool_at(&p, index[k]))->due > now);
		unsigned k = below(N);
		struct timed *t = pool_at(&p, index[k]);
		wheel_del(&w, index[k]);
		t->due = now + 1 + below(100);
		wheel_add(&w, index[k], t->due);
	}
	pool_fini(&p);
}

/* Whatever the order they were put in; what is put again while its second fires waits for the next. */
static void wheel_fires_by_key(void **state)
{
	enum { N = 500, SECONDS = 3 };
	struct pool p;
	struct wheel w;
	uint64_t at, last_at = 0;
	uint32_t i, fired = 0, last = 0;
	(void)state;
	seed = 7;
	assert_true(pool_init(&p, sizeof(struct timed), N));
	timed_wheel(&w, &p);
	w.now_s = 1000;
	for (uint32_t n = 0; n < N; n++) {
		struct timed *t = pool_at(&p, i = pool_get(&p));
		uint32_t key = n * 7919 % N; /* each once */
		t->key[0] = (uint8_t)(key >> 8);
		t->key[1] = (uint8_t)key;
		wheel_add(&w, i, 1001 + below(SECONDS));
	}
	wheel_del(&w, 17);
	wheel_del(&w, 1);
	while ((i = wheel_fire(&w, 1002, &at)) != 0) {
		const struct timed *t = pool_at(&p, i);
		uint32_t key = (uint32_t)(t->key[0] << 8 | t->key[1]) + 1;
		assert_true(at > last_at || key > last);
		last_at = at;
		last = key;
		fired++;
	}
	wheel_end(&w);
	last = 0;
	while ((i = wheel_fire(&w, 1002, &at)) != 0) {
		const struct timed *t = pool_at(&p, i);
		uint32_t key = (uint32_t)(t->key[0] << 8 | t->key[1]) + 1;
		assert_true(key > last);
		last = key;
		fired++;
	}
	assert_int_equal(fired, N - 2);
	assert_int_equal(w.n, 0);
	pool_fini(&p);
}

static void wheel_jumps_over_empty_time(void **state)
{
	(void)state;
	struct pool p;
	struct wheel w;
	uint64_t at;
	assert_true(pool_init(&p, sizeof(struct timed), 1));
	timed_wheel(&w, &p);
	assert_int_equal(wheel_fire(&w, 1ull << 40, &at), 0);
	assert_true(w.now_s == 1ull << 40);
	pool_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cursor_boundaries),
		cmocka_unit_test(cursor_stays_bad),
		cmocka_unit_test(cursor_until),
		cmocka_unit_test(views),
		cmocka_unit_test(addresses),
		cmocka_unit_test(macs),
		cmocka_unit_test(digests),
		cmocka_unit_test(pseudonyms),
		cmocka_unit_test(pseudonyms_of_alphabets),
		cmocka_unit_test(hmac_is_rfc_2104),
		cmocka_unit_test(tokens),
		cmocka_unit_test(pool_gives_zeroed_objects_and_ends),
		cmocka_unit_test(table_against_a_list),
		cmocka_unit_test(hash_depends_on_key_and_every_byte),
		cmocka_unit_test(ring_keeps_order_and_content),
		cmocka_unit_test(buddy_blocks_never_overlap),
		cmocka_unit_test(lru_lets_the_oldest_out),
		cmocka_unit_test(wheel_fires_when_due),
		cmocka_unit_test(wheel_fires_by_key),
		cmocka_unit_test(wheel_jumps_over_empty_time),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
