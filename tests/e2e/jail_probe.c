/*
 * usage: jail_probe jail|none USER INTERFACE PORT FOLDER
 *
 * Opens a capture as the sensor does, enters the jail (or, as the control, does not), and in a thread of each
 * kind tries what must not work and what has to. One line each: kind, attempt, the error's name or "done".
 * FOLDER has `read` (given for reading), `write` (for writing) and `outside`; on PORT of 127.0.0.1 somebody
 * listens. Prints "ready" and waits for a line on standard input when all is tried. For tests/e2e/jail.py.
 */
#include "packet/live.h"
#include "run/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	struct live *live;
	int capture, tcp, unbound, file; /* opened before the jail */
	struct sockaddr_in server;
	const char *folder;
	uint8_t frame[64];
	unsigned n_frames;
} probe;

/* ---- attempts: 0 or an errno ---------------------------------------------------------------- */

static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int opened(const char *name, int flags)
{
	char path[512];
	snprintf(path, sizeof path, "%s%s", *name == '/' ? "" : probe.folder, name);
	int fd = open(path, flags | O_CLOEXEC, 0600), error = result(fd);
	if (fd >= 0)
		close(fd);
	return error;
}

static int read_outside(void)
{
	return opened("outside/secret", O_RDONLY);
}

static int read_passwd(void)
{
	return opened("/etc/passwd", O_RDONLY);
}

static int write_outside(void)
{
	return opened("outside/new", O_WRONLY | O_CREAT);
}

static int write_read_only(void)
{
	return opened("read/new", O_WRONLY | O_CREAT);
}

static int climb_out(void)
{
	return opened("write/../outside/secret", O_RDONLY);
}

static int read_inside(void)
{
	return opened("read/rules", O_RDONLY);
}

static int write_inside(void)
{
	return opened("write/new", O_WRONLY | O_CREAT);
}

/* Without arguments: where it is let through, it fails by them (EFAULT). */
static int exec_nothing(void)
{
	return result(syscall(SYS_execve, NULL, NULL, NULL));
}

static int make_process(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	int error = result(pid);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return error;
}

static int trace(void)
{
	return result(ptrace(PTRACE_PEEKUSER, getppid(), NULL, NULL));
}

static int new_tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error = result(fd);
	if (fd >= 0)
		close(fd);
	return error;
}

static int new_packet_socket(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), error = result(fd);
	if (fd >= 0)
		close(fd);
	return error;
}

static int connect_elsewhere(void)
{
	return result(connect(probe.tcp, (const struct sockaddr *)&probe.server, sizeof probe.server));
}

static int bind_and_listen(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int error = result(bind(probe.unbound, (const struct sockaddr *)&any, sizeof any));
	return error ? error : result(listen(probe.unbound, 1));
}

static int send_frame(void)
{
	return result(send(probe.capture, probe.frame, sizeof probe.frame, 0));
}

static int write_frame(void)
{
	return result(write(probe.capture, probe.frame, sizeof probe.frame));
}

static int writev_frame(void)
{
	struct iovec v = { .iov_base = probe.frame, .iov_len = sizeof probe.frame };
	return result(writev(probe.capture, &v, 1));
}

static int pwritev2_frame(void)
{
	struct iovec v = { .iov_base = probe.frame, .iov_len = sizeof probe.frame };
	return result(pwritev2(probe.capture, &v, 1, -1, 0));
}

static int sendmsg_frame(void)
{
	struct iovec v = { .iov_base = probe.frame, .iov_len = sizeof probe.frame };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	return result(sendmsg(probe.capture, &m, 0));
}

static int sendmmsg_frame(void)
{
	struct iovec v = { .iov_base = probe.frame, .iov_len = sizeof probe.frame };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &v, .msg_iovlen = 1 } };
	return result(sendmmsg(probe.capture, &m, 1, 0));
}

static int sendfile_frame(void)
{
	off_t from = 0;
	return result(sendfile(probe.capture, probe.file, &from, sizeof probe.frame));
}

static int copy_capture(void)
{
	int fd = dup(probe.capture), error = result(fd);
	if (fd >= 0)
		close(fd);
	return error;
}

static int copy_capture_by_fcntl(void)
{
	int fd = fcntl(probe.capture, F_DUPFD_CLOEXEC, 100), error = result(fd);
	if (fd >= 0)
		close(fd);
	return error;
}

static int new_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return errno;
	munmap(p, 4096);
	return 0;
}

/* A system call of the old kind that no list of ours has. */
static int unlisted(void)
{
	return result(syscall(SYS_getpriority, 0, 0));
}

static void count(void *arg, const struct frame *f)
{
	(void)arg, (void)f;
	probe.n_frames++;
}

static int capture_frames(void)
{
	struct live_stats s;
	int n = live_read(probe.live, 0, count, NULL, 100);
	live_stats(probe.live, 0, 0, &s);
	return n < 0 || !s.is_up ? ENODATA : 0;
}

static void *nothing(void *arg)
{
	return arg;
}

static int make_thread(void)
{
	pthread_t t;
	int error = pthread_create(&t, NULL, nothing, NULL);
	return error ? error : pthread_join(t, NULL);
}

static int allocate(void)
{
	char *volatile p = malloc(8u << 20);
	if (!p)
		return ENOMEM;
	p[4096] = 1;
	free(p);
	return 0;
}

static int core_files(void)
{
	struct rlimit r;
	return getrlimit(RLIMIT_CORE, &r) != 0 ? errno : r.rlim_max == 0 ? EPERM : 0;
}

static const struct {
	const char *name;
	int (*attempt)(void);
} attempts[] = {
#define ATTEMPT(name)                                                                                        \
	{                                                                                                    \
#name, name                                                                                  \
	}
	ATTEMPT(read_outside),
	ATTEMPT(read_passwd),
	ATTEMPT(write_outside),
	ATTEMPT(write_read_only),
	ATTEMPT(climb_out),
	ATTEMPT(exec_nothing),
	ATTEMPT(make_process),
	ATTEMPT(trace),
	ATTEMPT(new_tcp),
	ATTEMPT(new_packet_socket),
	ATTEMPT(connect_elsewhere),
	ATTEMPT(bind_and_listen),
	ATTEMPT(send_frame),
	ATTEMPT(write_frame),
	ATTEMPT(writev_frame),
	ATTEMPT(pwritev2_frame),
	ATTEMPT(sendmsg_frame),
	ATTEMPT(sendmmsg_frame),
	ATTEMPT(sendfile_frame),
	ATTEMPT(copy_capture),
	ATTEMPT(copy_capture_by_fcntl),
	ATTEMPT(new_code),
	ATTEMPT(unlisted),
	ATTEMPT(core_files),
	ATTEMPT(read_inside),
	ATTEMPT(write_inside),
	ATTEMPT(capture_frames),
	ATTEMPT(make_thread),
	ATTEMPT(allocate),
};

/* ---- the rest ------------------------------------------------------------------------------- */

struct kind {
	const char *name;
	enum jail_kind kind;
	bool is_jailed; /* calls jail_thread: without, what holds for the process alone */
	int results[sizeof attempts / sizeof *attempts];
};

/* Says nothing itself: a worker may not. */
static void *try_all(void *arg)
{
	struct kind *k = arg;
	if (k->is_jailed && !jail_thread(k->kind)) {
		k->results[0] = -1;
		return NULL;
	}
	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
		k->results[i] = attempts[i].attempt();
	return NULL;
}

static void report(const struct kind *k)
{
	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
		int e = k->results[i];
		printf("%s %s %s\n", k->name, attempts[i].name,
			e < 0 ? "no-jail"
			: e   ? strerrorname_np(e)
			      : "done");
	}
}

static bool open_all(const char *interface, const char *port, const char *folder)
{
	struct diag d = { 0 };
	struct live_options o = { .interfaces = &interface,
		.n = 1,
		.workers = 1,
		.snap_bytes = 65535,
		.buffer_kib = 1024,
		.promiscuous = true };
	char path[512];
	probe.live = live_open(&o, &d);
	diag_print(&d, stderr, true);
	diag_free(&d);
	if (!probe.live || live_descriptors(probe.live, &probe.capture, 1) != 1)
		return false;
	snprintf(path, sizeof path, "%s/outside/secret", folder);
	probe.folder = folder;
	probe.file = open(path, O_RDONLY | O_CLOEXEC);
	probe.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	probe.unbound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	probe.server = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	/* Broadcast, of the Ethernet type for experiments, with a word that is looked for. */
	memset(probe.frame, 0xff, 6);
	memcpy(probe.frame + 12,
		"\x88\xb5"
		"escaped",
		9);
	return probe.file >= 0 && probe.tcp >= 0 && probe.unbound >= 0;
}

int main(int argc, char **argv)
{
	static struct kind kinds[] = { { .name = "any", .kind = JAIL_HUB },
		{ .name = "hub", .kind = JAIL_HUB }, { .name = "worker", .kind = JAIL_WORKER },
		{ .name = "shipper", .kind = JAIL_SHIPPER }, { .name = "main", .kind = JAIL_MAIN } };
	char read_path[512], write_path[512];
	struct diag d = { 0 };
	if (argc != 6 || !open_all(argv[3], argv[4], argv[5]))
		return 2;
	bool is_jailed = strcmp(argv[1], "jail") == 0;
	snprintf(read_path, sizeof read_path, "%sread", argv[5]);
	snprintf(write_path, sizeof write_path, "%swrite", argv[5]);
	const struct jail_path paths[] = { { read_path, JAIL_READ }, { write_path, JAIL_WRITE },
		{ "/nonexistent", JAIL_READ }, { "", JAIL_WRITE } };
	const struct jail j = {
		.user = argv[2], .paths = paths, .n_paths = 4, .captures = &probe.capture, .n_captures = 1
	};
	bool done = !is_jailed || jail_process(&j, &d);
	diag_print(&d, stderr, true);
	diag_free(&d);
	if (!done)
		return 1;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		pthread_t t;
		kinds[i].is_jailed = is_jailed && i > 0;
		if (kinds[i].kind == JAIL_MAIN)
			try_all(&kinds[i]);
		else if (pthread_create(&t, NULL, try_all, &kinds[i]) != 0 || pthread_join(t, NULL) != 0)
			return 2;
		report(&kinds[i]);
	}
	printf("sanitized %d\nready\n", JAIL_SANITIZED);
	fflush(stdout);
	(void)getchar();
	live_close(probe.live);
	return 0;
}
