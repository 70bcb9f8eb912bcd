#include "run/jail_impl.h"

#include "base/assert.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who to become; NULL in *to: who we are. */
static bool choose_user(const struct jail *j, const struct passwd **to, struct diag *d)
{
	bool is_root = geteuid() == 0, is_named = j->user && *j->user;
	*to = NULL;
	if (!is_root && !is_named)
		return true;
	*to = getpwnam(is_named ? j->user : "wardwatch");
	if (!*to && !is_named) {
		*to = getpwnam("nobody");
		JAIL_SAY(d, WARNING,
			"there is no user wardwatch, so the sensor runs as nobody; sensor.user "
			"names another");
	}
	if (!*to)
		JAIL_SAY(d, ERROR, "there is no user %s to run as; sensor.user names one",
			is_named ? j->user : "nobody");
	else if ((*to)->pw_uid == 0)
		JAIL_SAY(d, ERROR, "sensor.user has to be an unprivileged user, not %s", (*to)->pw_name);
	else if (!is_root && (*to)->pw_uid == geteuid())
		*to = NULL;
	else if (!is_root)
		JAIL_SAY(d, ERROR, "only root can become the user %s: leave sensor.user out, or be %s before",
			(*to)->pw_name, (*to)->pw_name);
	return d->errors == 0;
}

static bool become(const struct passwd *to, struct diag *d)
{
	if (!to)
		return true;
	if (initgroups(to->pw_name, to->pw_gid) == 0 && setresgid(to->pw_gid, to->pw_gid, to->pw_gid) == 0 &&
		setresuid(to->pw_uid, to->pw_uid, to->pw_uid) == 0 && setuid(0) != 0)
		return true;
	JAIL_SAY(d, ERROR, "cannot become the user %s: %s", to->pw_name, strerror(errno));
	return false;
}

/* The bounding set goes while we may (CAP_SETPCAP); a service that starts without has none to gain by exec
 * all the same, for no-new-privs. */
static bool drop_bounds(struct diag *d)
{
	capng_get_caps_process();
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		return true;
	capng_clear(CAPNG_SELECT_BOUNDS);
	if (capng_apply(CAPNG_SELECT_BOUNDS) == 0)
		return true;
	JAIL_SAY(d, ERROR, "the bounding set of capabilities cannot be dropped: %s", strerror(errno));
	return false;
}

static bool drop_capabilities(struct diag *d)
{
	capng_clear(CAPNG_SELECT_CAPS);
	bool done = capng_apply(CAPNG_SELECT_CAPS) == 0 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
	capng_get_caps_process();
	if (done && capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
		return true;
	JAIL_SAY(d, ERROR, "the capabilities cannot be dropped: %s", strerror(errno));
	return false;
}

static rlim_t files_open(void)
{
	rlim_t most = 0;
	DIR *dir = opendir("/proc/self/fd");
	for (struct dirent *e; dir && (e = readdir(dir));) {
		uint64_t fd = 0;
		if (bytes_to_u64(bytes_str(e->d_name), &fd) && fd >= most)
			most = (rlim_t)fd + 1;
	}
	if (dir)
		closedir(dir);
	return most;
}

/* None on processes (RLIMIT_NPROC): it counts all of the user's, our threads to come among them, and the
 * filter refuses new processes anyway. */
static bool set_limits(struct diag *d)
{
	struct rlimit none = { 0, 0 }, files;
	bool done = setrlimit(RLIMIT_CORE, &none) == 0 && getrlimit(RLIMIT_NOFILE, &files) == 0;
	files.rlim_max = files.rlim_cur; /* no more is asked for from here on */
	if (done && files.rlim_cur > JAIL_FILES && files_open() <= JAIL_FILES / 2)
		files.rlim_cur = files.rlim_max = JAIL_FILES;
	if (done && setrlimit(RLIMIT_NOFILE, &files) == 0)
		return true;
	JAIL_SAY(d, ERROR, "the limits on resources cannot be set: %s", strerror(errno));
	return false;
}

/* Better now than when the first alert is to be written. */
static bool can_write(const struct jail *j, const struct passwd *as, struct diag *d)
{
	for (size_t i = 0; i < j->n_paths; i++) {
		const struct jail_path *p = &j->paths[i];
		struct stat st;
		if (p->right != JAIL_WRITE || !p->path || !*p->path)
			continue;
		bool is_dir = stat(p->path, &st) == 0 && S_ISDIR(st.st_mode);
		if (faccessat(AT_FDCWD, p->path, W_OK | (is_dir ? X_OK : 0), AT_EACCESS) != 0)
			diag_add(d, DIAG_ERROR, p->path, 0, 0, "", "cannot be written by the user %s: %s%s",
				as ? as->pw_name : "that the sensor runs as", strerror(errno),
				errno == EACCES ? "; chown it, or let sensor.user name its owner" : "");
	}
	return d->errors == 0;
}

bool jail_process(const struct jail *j, struct diag *d)
{
	const struct passwd *to;
	size_t errors = d->errors;
	d->errors = 0;
	/* The user before Landlock: who is in which group stands in a file. PR_SET_DUMPABLE after the user:
	 * to become another resets it. The filter last, for it refuses most of what goes before. */
	bool done = choose_user(j, &to, d) && set_limits(d) && drop_bounds(d) && become(to, d) &&
		    drop_capabilities(d) && can_write(j, to, d) && jail_files(j, d);
#if !JAIL_SANITIZED
	if (done && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
		JAIL_SAY(d, ERROR, "core dumps cannot be turned off: %s", strerror(errno));
		done = false;
	}
#endif
	done = done && jail_calls(j, d);
	d->errors += errors;
	return done;
}
