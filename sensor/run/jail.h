/*
 * jail: what the running sensor may no longer do, so that a fault in what reads the wire is worth little.
 *
 * jail_process, on the main thread once everything that needs rights is open (captures, the status socket,
 * the store, outputs) and before any thread is made: another user, no capabilities, nothing gained by exec,
 * no core dump, files fenced by Landlock, and a filter for all threads that refuses exec, new processes,
 * tracing, new sockets, and any way to send on a capture's descriptor. Then each thread calls jail_thread
 * first of all: a list of the system calls that it may use and no other; the main thread does when the others
 * are made, and can make more.
 *
 * A refused call fails, it does not kill: a call that a newer libc makes and our list lacks would else end a
 * sensor that nobody watches, and an attacker gains nothing by an error. What a kind of thread has not listed
 * gives ENOSYS, at which libc goes back to an older call; what is refused to all gives EPERM.
 *
 *	struct jail j = { .user = config.user, .paths = paths, .n_paths = n, ... };
 *	if (!jail_process(&j, &d))
 *		... exit 1
 *
 * Built with a sanitizer (JAIL_SANITIZED) there are no system call filters and the process stays dumpable:
 * the sanitizers' own threads and leak search trace the process and read /proc.
 */
#ifndef WW_RUN_JAIL_H
#define WW_RUN_JAIL_H

#include "base/diag.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JAIL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define JAIL_SANITIZED 1
#endif
#endif
#ifndef JAIL_SANITIZED
#define JAIL_SANITIZED 0
#endif

enum {
	JAIL_CAPTURES_MOST = 250, /* their checks have to fit a filter, 4096 instructions */
	JAIL_FILES = 1024,        /* descriptors at once, where no more are open already */
};

enum jail_right {
	JAIL_READ,  /* may be missing; it is not found either if it comes later */
	JAIL_WRITE, /* also make, replace and remove files: it has to be there, and the user has to be able to
		     */
	JAIL_REMOVE, /* only remove files, where the user can: the folder of a socket that is made already */
};

struct jail_path {
	const char *path; /* a directory, with all in it, or one file; "" and NULL are left out */
	enum jail_right right;
};

struct jail {
	const char *user; /* "": who we are, or as root `wardwatch`, or if there is none `nobody` */
	const struct jail_path *paths;
	size_t n_paths;
	const int *captures; /* descriptors nothing is sent on (live_descriptors) */
	size_t n_captures;   /* at most JAIL_CAPTURES_MOST */
	bool may_connect;    /* the broker: new sockets and their use are its work */
};

/* Does all of it or says why not: false, an error in d, and then the process is to end, since part may be
 * done. Warnings: `nobody` had to do, or the kernel has no Landlock. Start-up only. */
bool jail_process(const struct jail *j, struct diag *d);

/* What a thread does, not what it is called: one that does two things takes the larger. */
enum jail_kind {
	JAIL_HUB,     /* computes, sleeps, tells on descriptors that are open */
	JAIL_WORKER,  /* and reads captures; writes to standard error alone */
	JAIL_SHIPPER, /* JAIL_HUB's, files, and sockets that it is given: status clients, the broker's */
	JAIL_MAIN,    /* JAIL_SHIPPER's, and makes threads */
};

/* For the calling thread, for ever. False: errno. */
bool jail_thread(enum jail_kind kind);

#endif
