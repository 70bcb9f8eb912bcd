#include "run/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Debian's, from ca-certificates. A folder of hashed names would be read later, when files are fenced off. */
static const char system_authorities[] = "/etc/ssl/certs/ca-certificates.crt";

struct tls {
	SSL_CTX *context;
	BIO_METHOD *method;
};

struct tls_session {
	SSL *ssl;
	int fd;
	int error; /* errno of the last system call that failed, 0: none */
	bool is_ended;
	unsigned long code; /* OpenSSL's */
};

/* ---- the socket: OpenSSL's own BIO would raise SIGPIPE --------------------------------------- */

static int bio_result(BIO *b, struct tls_session *s, ssize_t n)
{
	BIO_clear_retry_flags(b);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_flags(b, BIO_FLAGS_SHOULD_RETRY);
	else if (n < 0)
		s->error = errno;
	return n < 0 ? -1 : (int)n;
}

static int bio_write(BIO *b, const char *from, int n)
{
	struct tls_session *s = BIO_get_data(b);
	ssize_t done = send(s->fd, from, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	int result = bio_result(b, s, done);
	if (BIO_should_retry(b))
		BIO_set_retry_write(b);
	return result;
}

static int bio_read(BIO *b, char *to, int n)
{
	struct tls_session *s = BIO_get_data(b);
	ssize_t done = recv(s->fd, to, (size_t)n, MSG_DONTWAIT);
	int result = bio_result(b, s, done);
	if (BIO_should_retry(b))
		BIO_set_retry_read(b);
	s->is_ended = s->is_ended || done == 0;
	return result;
}

static long bio_control(BIO *b, int what, long number, void *pointer)
{
	(void)b, (void)number, (void)pointer;
	return what == BIO_CTRL_FLUSH || what == BIO_CTRL_DUP;
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

static BIO_METHOD *make_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ward");
	if (m && BIO_meth_set_write(m, bio_write) && BIO_meth_set_read(m, bio_read) &&
		BIO_meth_set_ctrl(m, bio_control) && BIO_meth_set_create(m, bio_create))
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* ---- what is loaded at start ------------------------------------------------------------------ */

static void complain(struct diag *d, const char *file, const char *what)
{
	const char *why = ERR_reason_error_string(ERR_peek_error());
	diag_add(d, DIAG_ERROR, file, 0, 0, "", "%s (%s)", what, why ? why : "no reason is given");
	ERR_clear_error();
}

static void load_authorities(struct tls *t, const char *ca, struct diag *d)
{
	bool is_ours = ca && *ca;
	const char *file = is_ours ? ca : system_authorities;
	if (SSL_CTX_load_verify_locations(t->context, file, NULL) != 1)
		complain(d, file,
			is_ours ? "cannot be read as certificates in PEM form, of the authorities to trust"
				: "the system's certificates cannot be read: install ca-certificates, or let "
				  "tls.ca name a file");
}

/* The mode of the key: who can read it can be this sensor. */
static void load_own(struct tls *t, const char *cert, const char *key, struct diag *d)
{
	bool has_cert = cert && *cert, has_key = key && *key;
	if (has_cert != has_key) {
		diag_add(d, DIAG_ERROR, "-", 0, 0, "",
			"tls.cert and tls.key belong together: name both files, or none");
		return;
	}
	if (!has_cert)
		return;
	if (SSL_CTX_use_certificate_chain_file(t->context, cert) != 1)
		complain(d, cert, "cannot be read as a certificate in PEM form, to show to the server");
	else if (SSL_CTX_use_PrivateKey_file(t->context, key, SSL_FILETYPE_PEM) != 1)
		complain(d, key, "cannot be read as the certificate's private key, in PEM form, unencrypted");
	else if (SSL_CTX_check_private_key(t->context) != 1)
		complain(d, key, "is not the key of the certificate in tls.cert");
}

/* A key behind a passphrase cannot be asked for here: OpenSSL would read the terminal. */
static int no_passphrase(char *to, int cap, int writing, void *arg)
{
	(void)to, (void)cap, (void)writing, (void)arg;
	return -1;
}

struct tls *tls_load(const struct tls_setup *s, struct diag *d)
{
	size_t errors = d->errors;
	bool is_13 = s->min && strcmp(s->min, "1.3") == 0;
	struct tls *t = calloc(1, sizeof *t);
	if (!t || !(t->context = SSL_CTX_new(TLS_client_method())) || !(t->method = make_method())) {
		complain(d, "-", "TLS cannot be set up");
		tls_free(t);
		return NULL;
	}
	if (s->min && *s->min && !is_13 && strcmp(s->min, "1.2") != 0)
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "tls.min is '1.2' or '1.3', not '%s'", s->min);
	SSL_CTX_set_min_proto_version(t->context, is_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(t->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(t->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					     SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_passwd_cb(t->context, no_passphrase);
	load_authorities(t, s->ca, d);
	load_own(t, s->cert, s->key, d);
	if (d->errors == errors)
		return t;
	tls_free(t);
	return NULL;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->context);
	BIO_meth_free(t->method);
	free(t);
}

/* ---- a session -------------------------------------------------------------------------------- */

/* A literal address is compared with the addresses of the certificate, a name with its names, and told to
 * the server (RFC 6066 section 3 wants no addresses there). */
static bool expect_name(SSL *ssl, const char *name)
{
	struct addr a;
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
	if (addr_parse(bytes_str(name), &a))
		return X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1;
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(p, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct tls_session *tls_open(const struct tls *t, int fd, const char *name)
{
	struct tls_session *s = calloc(1, sizeof *s);
	BIO *bio = BIO_new(t->method);
	if (!s || !bio || !(s->ssl = SSL_new(t->context)) || !expect_name(s->ssl, name)) {
		BIO_free(bio);
		if (s)
			SSL_free(s->ssl);
		free(s);
		ERR_clear_error();
		return NULL;
	}
	s->fd = fd;
	BIO_set_data(bio, s);
	SSL_set_bio(s->ssl, bio, bio);
	SSL_set_connect_state(s->ssl);
	return s;
}

void tls_close(struct tls_session *s)
{
	if (!s)
		return;
	/* Says so where that goes at once; nobody waits for the answer. */
	if (SSL_is_init_finished(s->ssl) && !s->error && !s->code)
		SSL_shutdown(s->ssl);
	SSL_free(s->ssl);
	ERR_clear_error();
	free(s);
}

static enum tls_result result(struct tls_session *s, int done)
{
	switch (SSL_get_error(s->ssl, done)) {
	case SSL_ERROR_NONE:
		return TLS_DONE;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_ENDED;
	default:
		s->code = ERR_peek_error();
		ERR_clear_error();
		return TLS_BROKEN;
	}
}

enum tls_result tls_handshake(struct tls_session *s)
{
	ERR_clear_error();
	return result(s, SSL_do_handshake(s->ssl));
}

enum tls_result tls_read(struct tls_session *s, uint8_t *to, size_t cap, size_t *n)
{
	ERR_clear_error();
	return result(s, SSL_read_ex(s->ssl, to, cap, n));
}

enum tls_result tls_write(struct tls_session *s, const uint8_t *from, size_t size, size_t *n)
{
	ERR_clear_error();
	return result(s, SSL_write_ex(s->ssl, from, size, n));
}

/* ---- why it did not go ------------------------------------------------------------------------ */

static const char *verify_words(long error)
{
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "has expired: it needs a new one (or this machine's clock is wrong)";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "is not valid yet: this machine's clock, or the certificate's dates, are wrong";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "is for another name: tls.server_name has to say one that stands in the certificate";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return "is not from an authority that is trusted here: tls.ca has to name the file with the "
		       "authority's certificate";
	default:
		return NULL;
	}
}

static const char *error_words(unsigned long code)
{
	switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return "it speaks no TLS version that is allowed here (or no TLS at all at this port): "
		       "update it; tls.min is 1.2 at the lowest";
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
		return "it found nothing in common with us, or wants a certificate: see its log, and "
		       "tls.cert";
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return "it wants a certificate: tls.cert and tls.key have to name one that it trusts";
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
		return "it does not take our certificate: tls.cert has to name one that it trusts";
	default:
		return ERR_reason_error_string(code); /* OpenSSL's own words, none of the peer's */
	}
}

void tls_reason(const struct tls_session *s, const char *name, char *text, size_t cap)
{
	long verified = SSL_get_verify_result(s->ssl);
	const char *words = s->code ? error_words(s->code) : NULL;
	if (verified != X509_V_OK && verify_words(verified))
		snprintf(text, cap, "the certificate of %s %s", name, verify_words(verified));
	else if (verified != X509_V_OK)
		snprintf(text, cap, "the certificate of %s is refused: %s", name,
			X509_verify_cert_error_string(verified));
	else if (s->error)
		snprintf(text, cap, "the connection to %s broke: %s", name, strerror(s->error));
	else if (s->is_ended)
		snprintf(text, cap, "%s cut the TLS connection: see its log for the reason", name);
	else
		snprintf(text, cap, "TLS with %s failed: %s", name, words ? words : "no reason is given");
}
