#include "http/tls_calls.h"

#include <dlfcn.h>

#include "http/wire.h"

static int (*real_handshake)(gnutls_session_t);
static ssize_t (*real_recv)(gnutls_session_t, void *, size_t);

/* Before there is a second thread. Objects are not functions in C; in POSIX they are
 * alike (dlsym(3)). */
__attribute__((constructor)) static void find(void)
{
    *(void **)&real_handshake = dlsym(RTLD_NEXT, "gnutls_handshake");
    *(void **)&real_recv = dlsym(RTLD_NEXT, "gnutls_record_recv");
}

bool tls_calls_found(struct error *e)
{
    return (real_handshake && real_recv) ||
           /* GCOVR_EXCL_START a library that has not what it was linked with */
           error_set(e, ERROR_INTERNAL, "tls_certificate",
                     "the functions of GnuTLS cannot be found");
    /* GCOVR_EXCL_STOP */
}

int tls_calls_handshake(gnutls_session_t session)
{
    return real_handshake(session);
}

ssize_t tls_calls_recv(gnutls_session_t session, void *data, size_t size)
{
    return real_recv(session, data, size);
}

int gnutls_handshake(gnutls_session_t session)
{
    return gnutls_session_get_ptr(session) ? GNUTLS_E_SUCCESS : real_handshake(session);
}

ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t size)
{
    struct wire *w = gnutls_session_get_ptr(session);
    return w ? wire_read(w, data, size) : real_recv(session, data, size);
}
