#include "run/confine.h"

#include "run/jail.h"

#include <stdio.h>
#include <sys/stat.h>

enum { OTHERS = 4 + CONFINE_PASSWORDS, PATH = 4096 };

struct places {
	struct jail_path paths[CONFINE_POLICIES + OTHERS];
	char folders[CONFINE_POLICIES + OTHERS][PATH];
	size_t n;
};

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A file stands for its folder: beside it are made those that replace it, and SQLite's. */
static bool add(struct places *to, const char *path, enum jail_right right, struct diag *d)
{
	char *folder = to->folders[to->n];
	if (!path || !*path)
		return true;
	const char *slash = strrchr(path, '/');
	int n = is_folder(path) ? snprintf(folder, PATH, "%s", path)
		: slash == path ? snprintf(folder, PATH, "/")
		: slash != NULL ? snprintf(folder, PATH, "%.*s", (int)(slash - path), path)
				: snprintf(folder, PATH, ".");
	if (n < 0 || n >= PATH) {
		diag_add(d, DIAG_ERROR, path, 0, 0, "", "is too long a path");
		return false;
	}
	to->paths[to->n++] = (struct jail_path){ .path = folder, .right = right };
	return true;
}

bool confine(const struct confine *c, struct diag *d)
{
	static struct places to; /* too large for a stack; once in a process's life */
	int captures[JAIL_CAPTURES_MOST + 1];
	if (c->n_policies > CONFINE_POLICIES) {
		diag_add(d, DIAG_ERROR, "-", 0, 0, "",
			"%zu places with policies are too many to fence; %d are the most", c->n_policies,
			CONFINE_POLICIES);
		return false;
	}
	to.n = 0;
	for (size_t i = 0; i < c->n_policies; i++)
		if (!add(&to, c->policies[i], JAIL_READ, d))
			return false;
	for (size_t i = 0; i < CONFINE_PASSWORDS; i++)
		if (!add(&to, c->passwords[i], JAIL_READ, d))
			return false;
	if (!add(&to, c->output, JAIL_WRITE, d) || !add(&to, c->state, JAIL_WRITE, d) ||
		!add(&to, c->metrics_file, JAIL_WRITE, d) || !add(&to, c->socket, JAIL_REMOVE, d))
		return false;
	struct jail j = { .user = c->user, .paths = to.paths, .n_paths = to.n, .captures = captures };
	/* One more than can be guarded is told from as many. */
	size_t n = c->live ? live_descriptors(c->live, captures, JAIL_CAPTURES_MOST + 1) : 0;
	j.n_captures = n;
	return jail_process(&j, d);
}
