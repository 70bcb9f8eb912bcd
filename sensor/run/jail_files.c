/* Landlock (Documentation/userspace-api/landlock.rst of the kernel). libc has no functions for it, and Debian
 * 12's header knows the first two of its versions: what came later is written out here. */
#include "run/jail_impl.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FS_TRUNCATE  (UINT64_C(1) << 14) /* version 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* version 5 */

#define FS_READ      (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE                                                                                             \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |      \
		LANDLOCK_ACCESS_FS_MAKE_DIR | FS_TRUNCATE)
/* What a rule on a file, not a directory, may speak of. */
#define FS_OF_FILE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE)

struct ruleset {
	uint64_t fs;
	uint64_t net;   /* version 4: bind and connect by TCP */
	uint64_t scope; /* version 6: abstract Unix sockets, and signals, of others */
};

/* Bits 0 to 12 are version 1's, 13 (REFER) 2's. */
static struct ruleset handled(long version, bool may_connect)
{
	struct ruleset r = { .fs = (UINT64_C(1) << 13) - 1 };
	if (version >= 2)
		r.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		r.fs |= FS_TRUNCATE;
	if (version >= 4)
		r.net = may_connect ? 1 : 3; /* bind, connect */
	if (version >= 5)
		r.fs |= FS_IOCTL_DEV;
	if (version >= 6)
		r.scope = 3;
	return r;
}

static bool add_path(int ruleset, const struct ruleset *r, const struct jail_path *p, struct diag *d)
{
	static const uint64_t rights[] = { [JAIL_READ] = FS_READ,
		[JAIL_WRITE] = FS_READ | FS_WRITE,
		[JAIL_REMOVE] = LANDLOCK_ACCESS_FS_REMOVE_FILE };
	struct stat st;
	int fd = open(p->path, O_PATH | O_CLOEXEC);
	if (fd < 0 && p->right != JAIL_WRITE)
		return true;
	bool done = fd >= 0 && fstat(fd, &st) == 0;
	if (done) {
		uint64_t allowed = rights[p->right] & r->fs;
		struct landlock_path_beneath_attr rule = { .parent_fd = fd,
			.allowed_access = S_ISDIR(st.st_mode) ? allowed : allowed & FS_OF_FILE };
		done = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	}
	if (!done)
		diag_add(d, DIAG_ERROR, p->path, 0, 0, "", "cannot be looked up for the jail: %s",
			strerror(errno));
	if (fd >= 0)
		close(fd);
	return done;
}

bool jail_files(const struct jail *j, struct diag *d)
{
	/* The leak search at the end and every report of a sanitizer read there. */
	static const struct jail_path proc = { .path = "/proc" };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		JAIL_SAY(d, ERROR, "no-new-privs cannot be set: %s", strerror(errno));
		return false;
	}
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, (unsigned)LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1) {
		JAIL_SAY(d, WARNING,
			"this kernel has no Landlock (%s), so files are fenced off by their "
			"owners and modes alone",
			errno == EOPNOTSUPP ? "it is turned off: lsm=landlock" : strerror(errno));
		return true;
	}
	struct ruleset r = handled(version, j->may_connect);
	/* Of a version that does not know the last members their zeros are no part. */
	size_t size = version >= 6 ? sizeof r : version >= 4 ? offsetof(struct ruleset, scope) : sizeof r.fs;
	int fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	bool done = fd >= 0 && (!JAIL_SANITIZED || add_path(fd, &r, &proc, d));
	for (size_t i = 0; done && i < j->n_paths; i++)
		if (j->paths[i].path && *j->paths[i].path)
			done = add_path(fd, &r, &j->paths[i], d);
	if (done && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		done = false;
	if (!done && d->errors == 0)
		JAIL_SAY(d, ERROR, "Landlock cannot be set: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return done;
}
