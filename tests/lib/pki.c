#include "pki.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "pki: %s\n", what);
	abort();
}

const char *pki_path(const struct pki *p, const char *file)
{
	static char paths[4][352];
	static unsigned n;
	char *path = paths[n++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", p->folder, file);
	return path;
}

static void name_file(char out[64], const char *name, const char *extension)
{
	snprintf(out, 64, "%.40s.%s", name, extension);
}

static void write_pair(const struct pki *p, const char *name, X509 *cert, EVP_PKEY *key)
{
	char file[64];
	name_file(file, name, "pem");
	FILE *f = fopen(pki_path(p, file), "w");
	must(f && PEM_write_X509(f, cert) == 1 && fclose(f) == 0, "certificate");
	name_file(file, name, "key");
	f = fopen(pki_path(p, file), "w");
	must(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(f) == 0, "key");
}

static X509 *make(EVP_PKEY *key, const char *name, const char *alt, int days)
{
	static long serial = 100;
	X509 *x = X509_new();
	X509V3_CTX context;
	must(x && X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), serial++), "new");
	X509_gmtime_adj(X509_getm_notBefore(x), -3L * 86400);
	X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(
		X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context,
		alt ? NID_subject_alt_name : NID_basic_constraints, alt ? alt : "critical,CA:TRUE");
	must(e && X509_add_ext(x, e, -1), "extension");
	X509_EXTENSION_free(e);
	return x;
}

static void authority(const struct pki *p, const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = make(key, name, NULL, 30);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	must(X509_sign(x, key, EVP_sha256()) > 0, "sign");
	write_pair(p, name, x, key);
	X509_free(x);
	EVP_PKEY_free(key);
}

void pki_make(struct pki *p)
{
	snprintf(p->folder, sizeof p->folder, "/tmp/ward-pki-XXXXXX");
	must(mkdtemp(p->folder) != NULL, "folder");
	authority(p, "ca");
	authority(p, "other");
}

void pki_issue(const struct pki *p, const char *name, const char *alt, int days)
{
	FILE *f = fopen(pki_path(p, "ca.pem"), "r");
	X509 *ca = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	must(ca && fclose(f) == 0, "ca.pem");
	f = fopen(pki_path(p, "ca.key"), "r");
	EVP_PKEY *ca_key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	must(ca_key && fclose(f) == 0, "ca.key");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = make(key, name, alt, days);
	X509_set_issuer_name(x, X509_get_subject_name(ca));
	must(X509_sign(x, ca_key, EVP_sha256()) > 0, "sign");
	write_pair(p, name, x, key);
	X509_free(x);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
}

void pki_remove(const struct pki *p)
{
	DIR *d = opendir(p->folder);
	for (struct dirent *e; d && (e = readdir(d));)
		unlink(pki_path(p, e->d_name)); /* not so the folders . and .. */
	if (d)
		closedir(d);
	rmdir(p->folder);
}
