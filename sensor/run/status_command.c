#include "run/status_command.h"

#include "run/options.h"
#include "run/status.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 1 << 20, WAIT_SECONDS = 5 };

static const struct {
	const char *name, *argument, *sentence;
} rows[] = {
#define STATUS_OPTION(name, argument, sentence) { name, argument, sentence },
#include "run/status.def"
#undef STATUS_OPTION
};

enum { ROWS = sizeof rows / sizeof *rows };

/* ---- asking ---------------------------------------------------------------------------------------- */

/* A connected socket on which nothing waits longer than WAIT_SECONDS, or -1: errno says why. */
static int reach(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = WAIT_SECONDS };
	if (strlen(path) >= sizeof name.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
		connect(fd, (const struct sockaddr *)&name, sizeof name) == 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

/* Bytes of the answer, 0: none (errno). */
static size_t ask(const char *path, char *out)
{
	static const char request[] = "status\n";
	size_t n = 0;
	int fd = reach(path);
	if (fd < 0)
		return 0;
	ssize_t got = send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
	for (; got > 0 && n<ANSWER_MAX; n += got> 0 ? (size_t)got : 0)
		got = recv(fd, out + n, ANSWER_MAX - n, 0);
	int why = got < 0 ? errno : ENODATA; /* the sensor had no time for us */
	close(fd);
	if (got == 0 && n > 0)
		return n;
	errno = why;
	return 0;
}

/* ---- the command ------------------------------------------------------------------------------------ */

static int show(const char *path, bool json)
{
	/* Two moments make a rate: the page takes this second. */
	const struct timespec second = { .tv_sec = 1 };
	char *first = malloc(2 * ANSWER_MAX), *now = first ? first + ANSWER_MAX : NULL;
	size_t n = first ? ask(path, first) : 0, more = n;
	bool ok = n > 0;
	if (ok && !json) {
		nanosleep(&second, NULL);
		more = ask(path, now);
		ok = more > 0;
	}
	if (!ok) {
		const char *hint =
			errno == ENOENT || errno == ECONNREFUSED
				? "; does a sensor run, with status.socket set to this path?"
			: errno == EACCES
				? "; root may ask, and the user and the group that the sensor is started as"
				: "";
		fprintf(stderr, "wardwatch: no sensor answers at %s: %s%s\n", path, strerror(errno), hint);
	} else if (json) {
		ok = fwrite(first, 1, n, stdout) == n;
	} else {
		ok = status_page(bytes_of(first, n), bytes_of(now, more), stdout);
		if (!ok)
			fprintf(stderr, "wardwatch: what answers at %s is no sensor\n", path);
	}
	free(first);
	return ok && fflush(stdout) == 0 ? EXIT_GOOD : EXIT_WRONG;
}

static int help(void)
{
	puts("Usage: wardwatch status [options]\nHow the sensor that runs on this machine does.\n");
	for (size_t i = 0; i < ROWS; i++)
		printf("  --%s%s%-*s %s\n", rows[i].name, *rows[i].argument ? " " : "",
			(int)(15 - strlen(rows[i].name) - (*rows[i].argument != 0)), rows[i].argument,
			rows[i].sentence);
	return fflush(stdout) == 0 ? EXIT_GOOD : EXIT_WRONG;
}

int status_command(int argc, char **argv)
{
	struct option longs[ROWS + 1] = { { 0 } };
	const char *path = STATUS_SOCKET;
	bool json = false;
	for (int i = 0; i < ROWS; i++)
		longs[i] = (struct option){ rows[i].name, *rows[i].argument ? required_argument : no_argument,
			NULL, i + 1 };
	opterr = 0;
	for (int got; (got = getopt_long(argc, argv, ":h", longs, NULL)) != -1;) {
		const char *name = got > 0 && got <= ROWS ? rows[got - 1].name : "";
		if (got == 'h' || strcmp(name, "help") == 0)
			return help();
		if (strcmp(name, "socket") == 0)
			path = optarg;
		else if (strcmp(name, "json") == 0)
			json = true;
		else {
			fprintf(stderr, "wardwatch: status: %s %s (--help lists the options)\n",
				argv[optind - 1], got == ':' ? "needs an argument" : "is not an option");
			return EXIT_WRONG;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "wardwatch: status: %s: no such word (--help lists the options)\n",
			argv[optind]);
		return EXIT_WRONG;
	}
	return show(path, json);
}
