/* System call filters (libseccomp). Two of them hold for a thread: what none may do, and what its kind may;
 * the stricter answer counts. */
#include "run/jail_impl.h"

#include "base/assert.h"

#include <errno.h>

#if JAIL_SANITIZED

bool jail_calls(const struct jail *j, struct diag *d)
{
	(void)j, (void)d;
	return true;
}

bool jail_thread(enum jail_kind kind)
{
	(void)kind;
	return true;
}

#else

#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CALLS(...) ((const int[]){ __VA_ARGS__, 0 })
/* A call's number; those an architecture has not are negative and left to libseccomp. */
#define C(name)    SCMP_SYS(name)
#define REFUSE     SCMP_ACT_ERRNO(EPERM)
#define NOT_THERE  SCMP_ACT_ERRNO(ENOSYS)

/* Lists end with 0, which is read(2) on x86-64: that one is added by name. */
static bool add_all(scmp_filter_ctx f, uint32_t action, const int *calls)
{
	for (; *calls; calls++)
		if (seccomp_rule_add(f, action, *calls, 0) != 0)
			return false;
	return true;
}

/* When argument n (from 0) is that value. libseccomp's macros for it leave a member out (-Wextra). */
static bool add_when(scmp_filter_ctx f, uint32_t action, int call, unsigned n, scmp_datum_t value)
{
	struct scmp_arg_cmp when = { .arg = n, .op = SCMP_CMP_EQ, .datum_a = value };
	return seccomp_rule_add_array(f, action, call, 1, &when) == 0;
}

/* When of these bits of argument n all are as in value. */
static bool refuse_bits(scmp_filter_ctx f, int call, unsigned n, scmp_datum_t bits, scmp_datum_t value)
{
	struct scmp_arg_cmp when = { .arg = n, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits, .datum_b = value };
	return seccomp_rule_add_array(f, REFUSE, call, 1, &when) == 0;
}

/* ---- what no thread may ------------------------------------------------------------------ */

static bool refuse_processes(scmp_filter_ctx f)
{
	return add_all(f, REFUSE,
		       CALLS(C(execve), C(execveat), C(fork), C(vfork), C(ptrace), C(process_vm_readv),
			       C(process_vm_writev), C(pidfd_open), C(pidfd_getfd), C(kcmp), C(unshare),
			       C(setns), C(chroot), C(pivot_root), C(mount), C(umount2), C(bpf),
			       C(perf_event_open), C(userfaultfd), C(keyctl), C(add_key), C(request_key),
			       C(memfd_create), C(io_uring_setup), C(io_uring_enter), C(io_uring_register),
			       C(open_by_handle_at), C(init_module), C(finit_module), C(kexec_load),
			       C(personality))) &&
	       refuse_bits(f, C(clone), 0, CLONE_THREAD, 0) &&
	       /* Its flags lie in memory, where a filter cannot look: libc goes back to clone. */
	       seccomp_rule_add(f, NOT_THERE, C(clone3), 0) == 0 &&
	       refuse_bits(f, C(mmap), 2, PROT_EXEC, PROT_EXEC) &&
	       refuse_bits(f, C(mprotect), 2, PROT_EXEC, PROT_EXEC);
}

/* sendmsg could also pass a capture's descriptor to another process. */
static bool refuse_sockets(scmp_filter_ctx f)
{
	return add_all(f, REFUSE,
		CALLS(C(socket), C(socketpair), C(connect), C(bind), C(listen), C(sendmsg), C(sendmmsg)));
}

/* A packet socket sends what is written to it. A copy of its descriptor would have another number; calls that
 * move bytes between descriptors nobody here needs. */
static bool refuse_sending(scmp_filter_ctx f, const struct jail *j)
{
	static const int sending[] = { C(write), C(writev), C(sendto), C(setsockopt) };
	for (size_t i = 0; i < j->n_captures; i++)
		for (size_t k = 0; k < sizeof sending / sizeof *sending; k++)
			if (!add_when(f, REFUSE, sending[k], 0, (scmp_datum_t)j->captures[i]))
				return false;
	return add_all(f, REFUSE,
		       CALLS(C(dup), C(dup2), C(dup3), C(sendfile), C(splice), C(vmsplice), C(tee),
			       C(copy_file_range), C(pwritev), C(pwritev2))) &&
	       add_when(f, REFUSE, C(fcntl), 1, F_DUPFD) && add_when(f, REFUSE, C(fcntl), 1, F_DUPFD_CLOEXEC);
}

bool jail_calls(const struct jail *j, struct diag *d)
{
	if (j->n_captures > JAIL_CAPTURES_MOST) {
		JAIL_SAY(d, ERROR,
			"%zu capture handles (interfaces times workers) are too many to guard; %d are "
			"the most",
			j->n_captures, JAIL_CAPTURES_MOST);
		return false;
	}
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int failed = ENOMEM;
	if (f && refuse_processes(f) &&
		(j->may_connect ? add_all(f, REFUSE, CALLS(C(listen)))
				: refuse_sockets(f) && refuse_sending(f, j)))
		failed = seccomp_load(f);
	seccomp_release(f);
	if (failed)
		JAIL_SAY(d, ERROR, "the system call filter cannot be set: %s", strerror(abs(failed)));
	return failed == 0;
}

/* ---- what a kind of thread may ------------------------------------------------------------ */

static bool allow_computing(scmp_filter_ctx f)
{
	/* libc's memory, locks, time and signals, whose handlers run in any thread; assertions end with
	 * tgkill. */
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, C(read), 0) == 0 &&
	       add_all(f, SCMP_ACT_ALLOW,
		       CALLS(C(close), C(futex), C(mmap), C(munmap), C(mremap), C(mprotect), C(madvise),
			       C(brk), C(clock_gettime), C(clock_nanosleep), C(nanosleep), C(gettimeofday),
			       C(time), C(getpid), C(gettid), C(tgkill), C(rt_sigaction), C(rt_sigprocmask),
			       C(rt_sigreturn), C(rt_sigtimedwait), C(sigaltstack), C(restart_syscall),
			       C(exit), C(exit_group), C(poll), C(ppoll), C(sched_yield),
			       C(sched_getaffinity), C(getcpu), C(getrandom), C(rseq), C(set_robust_list),
			       C(membarrier), C(getrusage), C(sysinfo), C(alarm), C(lseek), C(pread64),
			       C(fstat), C(newfstatat))) &&
	       add_when(f, SCMP_ACT_ALLOW, C(prctl), 0, PR_SET_NAME);
}

/* live.h lists them. */
static bool allow_capturing(scmp_filter_ctx f)
{
	return add_all(f, SCMP_ACT_ALLOW, CALLS(C(recvfrom), C(getsockopt), C(getsockname))) &&
	       add_when(f, SCMP_ACT_ALLOW, C(ioctl), 1, SIOCGIFNAME) &&
	       add_when(f, SCMP_ACT_ALLOW, C(ioctl), 1, SIOCGIFFLAGS);
}

/* Which files, Landlock says. */
static bool allow_files(scmp_filter_ctx f)
{
	return add_all(f, SCMP_ACT_ALLOW,
		       CALLS(C(openat), C(open), C(stat), C(lstat), C(statx), C(access), C(faccessat),
			       C(faccessat2), C(getdents64), C(readlink), C(readlinkat), C(getcwd), C(fcntl),
			       C(flock), C(fsync), C(fdatasync), C(ftruncate), C(fallocate), C(pwrite64),
			       C(writev), C(rename), C(renameat), C(renameat2), C(unlink), C(unlinkat),
			       C(mkdir), C(mkdirat), C(fchmod), C(fchown), C(umask), C(utimensat),
			       C(fadvise64), C(statfs), C(fstatfs), C(uname), C(getuid), C(geteuid),
			       C(getgid), C(getegid), C(getppid))) &&
	       add_when(f, SCMP_ACT_ALLOW, C(ioctl), 1, TCGETS) &&
	       add_when(f, SCMP_ACT_ALLOW, C(ioctl), 1, TIOCGWINSZ);
}

static bool allow_given_sockets(scmp_filter_ctx f)
{
	return add_all(f, SCMP_ACT_ALLOW,
		       CALLS(C(recvfrom), C(recvmsg), C(sendto), C(accept), C(accept4), C(shutdown),
			       C(getsockopt), C(setsockopt), C(getsockname), C(getpeername))) &&
	       add_when(f, SCMP_ACT_ALLOW, C(ioctl), 1, SIOCOUTQ);
}

/* A thread it makes sets its own filter. What the new one needs beyond this is refused it too, so capturing
 * is allowed here as well. wait4: of the broker. */
static bool allow_threads(scmp_filter_ctx f)
{
	return allow_capturing(f) &&
	       add_all(f, SCMP_ACT_ALLOW,
		       CALLS(C(clone), C(clone3), C(seccomp), C(set_tid_address), C(wait4), C(waitid),
			       C(setitimer), C(prlimit64))) &&
	       add_when(f, SCMP_ACT_ALLOW, C(prctl), 0, PR_SET_SECCOMP);
}

bool jail_thread(enum jail_kind kind)
{
	scmp_filter_ctx f = seccomp_init(NOT_THERE);
	int failed = ENOMEM;
	/* no-new-privs is set, and setting it again is not listed. */
	bool done = f && seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0) == 0 && allow_computing(f);
	if (kind == JAIL_WORKER)
		done = done && allow_capturing(f) && add_when(f, SCMP_ACT_ALLOW, C(write), 0, STDERR_FILENO);
	else
		done = done && seccomp_rule_add(f, SCMP_ACT_ALLOW, C(write), 0) == 0;
	if (kind == JAIL_SHIPPER || kind == JAIL_MAIN)
		done = done && allow_files(f) && allow_given_sockets(f);
	if (kind == JAIL_MAIN)
		done = done && allow_threads(f);
	if (done)
		failed = seccomp_load(f);
	seccomp_release(f);
	errno = abs(failed);
	return failed == 0;
}

#endif
