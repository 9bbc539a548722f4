/* libssh 0.10 to 0.12. Later versions mark calls deprecated that 0.10 has no successor for. */
#define SSH_SUPPRESS_DEPRECATED 1
#include <libssh/libssh.h>

/* The private key as text in OpenSSH's own format, to be freed with ssh_string_free_char.
 * 0.10 writes Ed25519 keys in no other format; from 0.11 on the format is chosen by the caller. */
static inline int clibssh_export_private_key(ssh_key _Nonnull key, char *_Nullable *_Nonnull text) {
#if LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 11, 0)
    return ssh_pki_export_privkey_base64_format(key, NULL, NULL, NULL, text,
                                                SSH_FILE_FORMAT_OPENSSH);
#else
    return ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, text);
#endif
}

