/* capture: files of every kind, whole and damaged, merged -> frames, sentences and exit codes. */
#include "layers.h"

#include "packet/capture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char dir[] = "/tmp/ward-capture-XXXXXX";
static struct diag diag;
static const char *const no_more;

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[64];
	(void)state;
	snprintf(command, sizeof command, "rm -r %s", dir);
	return system(command);
}

static int forget(void **state)
{
	(void)state;
	diag_free(&diag);
	return 0;
}

static const char *path_of(const char *name)
{
	static char paths[8][128];
	static unsigned turn;
	char *p = paths[turn++ % 8];
	snprintf(p, sizeof paths[0], "%s/%s", dir, name);
	return p;
}

static const char *put_file(const char *name, const void *b, size_t n)
{
	const char *path = path_of(name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(b, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	return path;
}

static const char *put_hex(const char *name, const char *hex)
{
	struct wire w = { .n = 0 };
	wire_wrap(&w, hex);
	return put_file(name, w.b, w.n);
}

static const char *put_gzip(const char *name, const void *b, size_t n, const char *mode)
{
	const char *path = path_of(name);
	gzFile f = gzopen(path, mode);
	assert_non_null(f);
	assert_int_equal(gzwrite(f, b, (unsigned)n), n);
	assert_int_equal(gzclose(f), Z_OK);
	return path;
}

struct expected {
	uint64_t ts_ns;
	const char *data; /* one byte, as hex */
	uint16_t linktype;
	uint32_t interface;
};

/* Reads all and compares; the exit code. */
static int read_all(const char *const *paths, const struct expected *want, size_t n)
{
	size_t count = 0, paths_n = 0;
	struct frame f;
	while (paths[paths_n])
		paths_n++;
	struct capture *c = capture_open(paths, paths_n, &diag);
	if (!c)
		return 1;
	for (; capture_next(c, &f); count++) {
		assert_int_equal(f.number, count + 1);
		assert_true(f.wire_bytes >= f.data.n);
		assert_true(count < n);
		if (!want)
			continue;
		assert_int_equal(f.ts_ns, want[count].ts_ns);
		assert_int_equal(f.linktype, want[count].linktype);
		assert_int_equal(f.interface, want[count].interface);
		if (want[count].data)
			assert_int_equal(bytes_at(f.data, 0),
				nibble(want[count].data[0]) << 4 | nibble(want[count].data[1]));
	}
	assert_false(capture_next(c, &f));
	int code = capture_end(c, &diag);
	capture_close(c);
	if (want)
		assert_int_equal(count, n);
	return code;
}

static int read_one(const char *path, const struct expected *want, size_t n)
{
	return read_all((const char *const[]){ path, no_more }, want, n);
}

/* The only message is about this file and has these words. */
static void said(const char *path, enum diag_level level, const char *words)
{
	assert_int_equal(diag.n, 1);
	assert_int_equal(diag.messages[0].level, level);
	assert_string_equal(diag.messages[0].file, path);
	if (!strstr(diag.messages[0].text, words))
		fail_msg("\"%s\" does not say \"%s\"", diag.messages[0].text, words);
	diag_free(&diag);
}

/* 24 bytes of header; a record at 1 s and 2 units with a byte aa, one at 3 s and 4 units with bb (of 9). */
#define PCAP_LE "d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000"
#define LE_1    "01000000 02000000 01000000 01000000 aa"
#define LE_2    "03000000 04000000 01000000 09000000 bb"
#define PCAP_BE "a1b2c3d4 0002 0004 00000000 00000000 00040000 00000065"
#define BE_1    "00000001 00000002 00000001 00000001 aa"

static void pcap(void **state)
{
	static const struct expected us[] = { { 1000002000, "aa", 1, 0 }, { 3000004000, "bb", 1, 0 } };
	static const struct expected ns[] = { { 1000000002, "aa", 1, 0 } };
	static const struct expected big[] = { { 1000002000, "aa", 101, 0 } },
				     big_ns[] = { { 1000000002, "aa", 101, 0 } };
	static const struct expected late[] = { { 1999999999, "aa", 1, 0 } };
	(void)state;
	assert_int_equal(read_one(put_hex("a", PCAP_LE LE_1 LE_2), us, 2), 0);
	assert_int_equal(read_one(put_hex("a", PCAP_BE BE_1), big, 1), 0);
	assert_int_equal(
		read_one(put_hex("a", "4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000" LE_1), ns, 1),
		0);
	assert_int_equal(read_one(put_hex("a", "a1b23c4d 0002 0004 00000000 00000000 00040000 00000065" BE_1),
				 big_ns, 1),
		0);
	/* a fraction of more than a second must not move the run's clock */
	assert_int_equal(
		read_one(put_hex("a", PCAP_LE "01000000 ffffffff 01000000 01000000 aa"), late, 1), 0);
	assert_int_equal(read_one(put_hex("a", PCAP_LE), us, 0), 0);
	assert_int_equal(diag.n, 0);
}

#define SHB_LE     "0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000"
#define SHB_BE     "0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c"
#define IDB_LE     "01000000 14000000 0100 0000 00000400 14000000"
#define IDB_LE_RAW "01000000 14000000 6500 0000 01000000 14000000" /* snap length 1 */
/* if_tsresol 9 and if_tsoffset 10 s, an unknown option, the end */
#define IDB_LE_OPTS                                                                                          \
	"01000000 30000000 0100 0000 00000000 0900 0100 09000000 0e00 0800 0a00000000000000 ff7f 0100 "      \
	"01000000 30000000"
#define IDB_BE_2      "00000001 0000001c 0001 0000 00000000 0009 0001 8a000000 0000001c" /* 2^-10 s; no end */
#define EPB_LE(i, ts) "06000000 24000000" i "00000000" ts "01000000 01000000 aa000000 24000000"
#define EPB_BE(i, ts) "00000006 00000024" i "00000000" ts "00000001 00000001 bb000000 00000024"
#define SPB_LE        "03000000 14000000 05000000 cc000000 14000000"
#define PB_LE         "02000000 24000000 0000 0000 00000000 07000000 01000000 01000000 dd000000 24000000"
#define NRB_LE        "04000000 10000000 00000000 10000000"

static void pcapng(void **state)
{
	static const struct expected want[] = {
		{ 5000, "aa", 101, 0 },
		{ 10000000006, "aa", 1, 1 },
		{ 10000000006, "cc", 101, 0 }, /* no time of its own; one byte by the snap length */
		{ 7000, "dd", 101, 0 },
		{ 1500000000, "bb", 1, 2 },
		{ 5000, "aa", 1, 3 },
	};
	(void)state;
	const char *path = put_hex("a",
		SHB_LE IDB_LE_RAW NRB_LE IDB_LE_OPTS EPB_LE("00000000", "05000000") EPB_LE(
			"01000000", "06000000") SPB_LE PB_LE SHB_BE IDB_BE_2 EPB_BE("00000000", "00000600")
			SHB_LE IDB_LE EPB_LE("00000000", "05000000"));
	assert_int_equal(read_one(path, want, 6), 0);
	assert_int_equal(read_one(put_hex("a", SHB_LE), want, 0), 0);
	assert_int_equal(diag.n, 0);
}

static void time_units(void **state)
{
	static const struct {
		const char *resolution, *ts; /* ts: high and low half */
		uint64_t want;
	} units[] = {
		{ "00000000", "00000000 00000003", 3000000000 },
		{ "03000000", "00000000 00000003", 3000000 },
		{ "0c000000", "00000000 00001388", 5 },
		{ "7f000000", "ffffffff ffffffff", 0 },
		{ "80000000", "00000000 00000003", 3000000000 },
		{ "a0000000", "00000003 80000000", 3500000000 },
		{ "ff000000", "ffffffff ffffffff", 0 },
		{ "00000000", "ffffffff ffffffff", UINT64_MAX },
	};
	(void)state;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		char hex[512];
		snprintf(hex, sizeof hex,
			SHB_BE "00000001 0000001c 0001 0000 00000000 0009 0001 %s 0000001c"
			       "00000006 00000024 00000000 %s 00000001 00000001 bb000000 00000024",
			units[i].resolution, units[i].ts);
		struct expected want = { units[i].want, "bb", 1, 0 };
		assert_int_equal(read_one(put_hex("a", hex), &want, 1), 0);
	}
}

static void gzipped(void **state)
{
	static const struct expected want[] = { { 1000002000, "aa", 1, 0 }, { 3000004000, "bb", 1, 0 } };
	(void)state;
	struct wire w = { .n = 0 };
	wire_wrap(&w, PCAP_LE LE_1 LE_2);
	assert_int_equal(read_one(put_gzip("g", w.b, w.n, "w"), want, 2), 0);
	put_gzip("g", w.b, 30, "w"); /* two members, the cut in a record */
	const char *path = put_gzip("g", w.b + 30, w.n - 30, "a");
	assert_int_equal(read_one(path, want, 2), 0);
	assert_int_equal(diag.n, 0);
	int fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "\0\0\0", 3), 3);
	assert_int_equal(read_one(path, want, 2), 0); /* padding */
	assert_int_equal(write(fd, "junk", 4), 4);
	close(fd);
	put_gzip("g", w.b, w.n, "w");
	fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "junk", 4), 4);
	close(fd);
	assert_int_equal(read_one(path, want, 2), 2);
	said(path, DIAG_WARNING, "foreign bytes");
	put_gzip("g", w.b, w.n, "w");
	assert_int_equal(truncate(path, 40), 0);
	assert_int_equal(read_one(path, NULL, 2), 2);
	said(path, DIAG_WARNING, "in the middle of its compressed data");
	put_gzip(
		"g", w.b, w.n, "w0"); /* stored: the flipped byte is only seen by its check sum, at the end */
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "\x55", 1, 55), 1);
	close(fd);
	assert_int_equal(read_one(path, NULL, 2), 2);
	said(path, DIAG_WARNING, "damaged compressed data");
	path = put_gzip("g", "GET / HTTP/1.1", 14, "w");
	assert_int_equal(read_one(path, NULL, 0), 1);
	said(path, DIAG_ERROR, "is no capture");
}

/* Records larger than the first reads, across the window's ends, plain, gzipped and from standard input. */
static void large(void **state)
{
	(void)state;
	enum { RECORDS = 400 };
	size_t room = 24 + RECORDS * (16 + 9000), n = 0;
	uint8_t *b = malloc(room);
	struct wire head = { .n = 0 }, record = { .n = 0 };
	wire_wrap(&head, PCAP_LE);
	wire_wrap(&record, "00000000 00000000 28230000 28230000");
	memcpy(b, head.b, n = head.n);
	for (unsigned i = 0; i < RECORDS; i++) {
		record.b[0] = (uint8_t)(i / 4);
		memcpy(b + n, record.b, 16);
		memset(b + n + 16, (int)(i & 255), 9000);
		n += 16 + 9000;
	}
	const char *paths[] = { put_file("large", b, n), put_gzip("large.gz", b, n, "w"), "-" };
	int in = open(paths[0], O_RDONLY), saved = dup(STDIN_FILENO);
	dup2(in, STDIN_FILENO);
	for (size_t k = 0; k < 3; k++) {
		struct capture *c = capture_open(&paths[k], 1, &diag);
		struct frame f;
		uint64_t done, total;
		assert_non_null(c);
		for (unsigned i = 0; i < RECORDS; i++) {
			assert_true(capture_next(c, &f));
			assert_int_equal(f.data.n, 9000);
			assert_int_equal(bytes_at(f.data, 0), i & 255);
			assert_int_equal(bytes_at(f.data, 8999), i & 255);
			assert_int_equal(f.ts_ns, i / 4 * 1000000000ull);
		}
		assert_false(capture_next(c, &f));
		capture_progress(c, &done, &total);
		assert_int_equal(done, total);
		assert_int_equal(capture_end(c, &diag), 0);
		assert_string_equal(capture_name(c, 0), k == 2 ? "standard input" : paths[k]);
		assert_null(capture_name(c, 1));
		capture_close(c);
	}
	if (saved >= 0) {
		dup2(saved, STDIN_FILENO);
		close(saved);
	}
	close(in);
	free(b);
}

static void merged(void **state)
{
	static const struct expected want[] = {
		{ 1000002000, "aa", 1, 0 }, { 1000002000, "aa", 101, 1 }, /* a tie: in the order given */
		{ 2000000000, "11", 1, 2 }, { 3000004000, "bb", 1, 0 }, { 5000000000, "22", 1, 2 },
		{ 4000000000, "33", 1, 2 }, /* not re-ordered within its file */
	};
	(void)state;
	const char *a = put_hex("a", PCAP_LE LE_1 LE_2), *b = put_hex("b", PCAP_BE BE_1),
		   *empty = put_hex("c", PCAP_LE);
	const char *d = put_hex("d", PCAP_LE "02000000 00000000 01000000 01000000 11"
					     "05000000 00000000 01000000 01000000 22"
					     "04000000 00000000 01000000 01000000 33");
	const char *const paths[] = { a, b, d, empty, no_more };
	assert_int_equal(read_all(paths, want, 6), 0);
	assert_int_equal(diag.n, 0);
}

static void directory(void **state)
{
	static const struct expected want[] = { { 1000002000, "aa", 1, 0 }, { 1000002000, "aa", 101, 1 },
		{ 1000002000, "aa", 1, 2 }, { 3000004000, "bb", 1, 0 } };
	char sub[64];
	(void)state;
	snprintf(sub, sizeof sub, "%s/sub", dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(read_one(sub, NULL, 0), 1);
	said(sub, DIAG_ERROR, "holds no capture");
	put_hex("sub/B.pcap", PCAP_LE LE_1 LE_2);
	put_hex("sub/a.pcap", PCAP_BE BE_1);
	put_file("sub/empty", "", 0);
	put_file("sub/notes.txt", "hello", 5);
	assert_int_equal(mkdir(path_of("sub/deeper"), 0700), 0);
	assert_int_equal(mkdir(path_of("sub/deeper/still"), 0700), 0);
	put_hex("sub/deeper/still/c.pcap", PCAP_LE LE_1);
	assert_int_equal(mkdir(path_of("sub/.snapshot"), 0700), 0);
	put_hex("sub/.snapshot/a.pcap", PCAP_BE BE_1);
	assert_int_equal(symlink("..", path_of("sub/deeper/circle")), 0);
	assert_int_equal(mkfifo(path_of("sub/fifo"), 0600), 0);
	assert_int_equal(read_one(sub, want, 4), 0);
	assert_int_equal(diag.n, 5);
	for (size_t i = 0; i < diag.n; i++)
		assert_int_equal(diag.messages[i].level, DIAG_SKIPPED);
}

/* A tree of nothing but deep directories: it is said what was not entered, and that nothing was found. */
static void deep_directory(void **state)
{
	char path[128];
	size_t n;
	(void)state;
	n = (size_t)snprintf(path, sizeof path, "%s/deep", dir);
	for (unsigned i = 0; i < 18; i++, n += 2) {
		assert_int_equal(mkdir(path, 0700), 0);
		memcpy(path + n, "/d", 3);
	}
	assert_int_equal(read_one(path_of("deep"), NULL, 0), 1);
	assert_int_equal(diag.n, 2);
	assert_int_equal(diag.messages[0].level, DIAG_SKIPPED);
	assert_non_null(strstr(diag.messages[0].text, "16 deep"));
	assert_int_equal(diag.messages[1].level, DIAG_ERROR);
	assert_non_null(strstr(diag.messages[1].text, "holds no capture"));
}

static void no_captures(void **state)
{
	(void)state;
	const char *path = put_file("f", "", 0);
	assert_int_equal(read_one(path, NULL, 0), 1);
	said(path, DIAG_ERROR, "is empty");
	path = put_file("f", "hello world, this is no capture", 31);
	assert_int_equal(read_one(path, NULL, 0), 1);
	said(path, DIAG_ERROR, "is no capture");
	path = put_hex("f", "28b52ffd 00000000");
	assert_int_equal(read_one(path, NULL, 0), 1);
	said(path, DIAG_ERROR, "unzstd");
	path = put_hex("f", "d4c3b2a1 0200 0400 00000000");
	assert_int_equal(read_one(path, NULL, 0), 1);
	said(path, DIAG_ERROR, "24 bytes");
	path = put_hex("f", "d4c3b2a1 0900 0400 00000000 00000000 00000400 01000000");
	assert_int_equal(read_one(path, NULL, 0), 1);
	said(path, DIAG_ERROR, "version 9.4");
	path = put_hex("f", "0a0d0d0a 1c000000 00000000 0100 0000 ffffffffffffffff 1c000000");
	assert_int_equal(read_one(path, NULL, 0), 1);
	said(path, DIAG_ERROR, "section header");
	assert_int_equal(read_one(path_of("nothing"), NULL, 0), 1);
	said(path_of("nothing"), DIAG_ERROR, "does not exist");
	assert_int_equal(read_all(&no_more, NULL, 0), 1);
	said("-", DIAG_ERROR, "no capture is named");
	/* all that is wrong is said at once */
	const char *const paths[] = { path_of("x"), path_of("y"), no_more };
	assert_int_equal(read_all(paths, NULL, 0), 1);
	assert_int_equal(diag.errors, 2);
}

static void damaged(void **state)
{
	static const struct expected one[] = { { 1000002000, "aa", 1, 0 } }, raw[] = { { 5000, "aa", 1, 0 } };
	static const struct {
		const char *hex, *words;
		const struct expected *want;
	} files[] = {
		{ PCAP_LE LE_1 "03000000 04000000 02000000 09000000 bb",
			"in the middle of a record after packet 1", one },
		{ PCAP_LE LE_1 "03000000 04000000", "in the middle of a record", one },
		{ PCAP_LE LE_1 "03000000 04000000 ffffffff ffffffff bb", "absurd length", one },
		{ SHB_LE IDB_LE EPB_LE("00000000", "05000000") "06000000 24000000 00000000",
			"middle of a block", raw },
		{ SHB_LE IDB_LE EPB_LE("00000000", "05000000") "06000000 ffffff7f 00000000", "absurd length",
			raw },
		{ SHB_LE IDB_LE EPB_LE("00000000", "05000000") "06000000 04000000 00000000", "absurd length",
			raw },
		{ SHB_LE IDB_LE EPB_LE("00000000", "05000000") "06000000 fcffff7f 00000000", "absurd length",
			raw },
		{ SHB_LE IDB_LE EPB_LE("00000000", "05000000") "04000000 fcffff7f 00000000",
			"middle of a block", raw },
		{ SHB_LE IDB_LE EPB_LE("00000000", "05000000") EPB_LE("01000000", "05000000"),
			"does not describe", raw },
		{ SHB_LE IDB_LE EPB_LE(
			  "00000000", "05000000") "06000000 20000000 00000000 00000000 05000000 01000000"
						  "01000000 20000000",
			"longer than its block", raw },
		{ SHB_LE IDB_LE EPB_LE("00000000", "05000000") "04000000 10000000 00000000 14000000", "",
			raw },
		{ SHB_LE IDB_LE EPB_LE("00000000", "05000000") "01000000 10000000 00000000 14000000",
			"lengths differ", raw },
		{ SHB_LE IDB_LE EPB_LE("00000000", "05000000") "01000000 10000000 00000000 10000000",
			"too short", raw },
		{ SHB_LE IDB_LE EPB_LE(
			  "00000000", "05000000") "0a0d0d0a 1c000000 11111111 0100 0000 ffffffffffffffff"
						  "1c000000",
			"byte-order mark", raw },
	};
	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		const char *path = put_hex("f", files[i].hex);
		int code = read_one(path, files[i].want, 1);
		if (!*files[i].words) { /* the second length of a block that is passed by does not matter */
			assert_int_equal(code, 0);
			continue;
		}
		assert_int_equal(code, 2);
		said(path, DIAG_WARNING, files[i].words);
	}
}

/* Cut anywhere, and any byte changed: no crash, and never more than was there. */
static void cut_and_flipped(void **state)
{
	static const char *const files[] = { PCAP_LE LE_1 LE_2,
		SHB_LE IDB_LE_RAW IDB_LE_OPTS EPB_LE("00000000", "05000000") EPB_LE("01000000", "06000000")
			SPB_LE PB_LE };
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct wire w = { .n = 0 };
		wire_wrap(&w, files[k]);
		size_t head = k ? 28 : 24;
		for (size_t n = 0; n < w.n; n++) {
			int code = read_one(put_file("f", w.b, n), NULL, 4);
			assert_true(n < head ? code == 1 : code != 1);
			diag_free(&diag);
			uint8_t was = w.b[n];
			w.b[n] ^= 0xff;
			read_one(put_file("f", w.b, w.n), NULL, 8);
			diag_free(&diag);
			w.b[n] = was;
		}
	}
}

static void unknown_link_types(void **state)
{
	static const struct expected want[] = { { 1000002000, "aa", 147, 0 } };
	(void)state;
	const char *path = put_hex("f", "d4c3b2a1 0200 0400 00000000 00000000 00000400 93000000" LE_1);
	assert_int_equal(read_one(path, want, 1), 0);
	said("-", DIAG_WARNING, "link type 147");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(pcap, forget),
		cmocka_unit_test_teardown(pcapng, forget),
		cmocka_unit_test_teardown(time_units, forget),
		cmocka_unit_test_teardown(gzipped, forget),
		cmocka_unit_test_teardown(large, forget),
		cmocka_unit_test_teardown(merged, forget),
		cmocka_unit_test_teardown(directory, forget),
		cmocka_unit_test_teardown(deep_directory, forget),
		cmocka_unit_test_teardown(no_captures, forget),
		cmocka_unit_test_teardown(damaged, forget),
		cmocka_unit_test_teardown(cut_and_flipped, forget),
		cmocka_unit_test_teardown(unknown_link_types, forget),
	};
	int failed = cmocka_run_group_tests(tests, make_dir, remove_dir);
	return failed != 0;
}
