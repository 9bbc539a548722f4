#define _GNU_SOURCE
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

_Static_assert(clinux_open_path == O_PATH, "O_PATH");

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * clinux_descriptors_max)];
};

int clinux_send(int socket, const void *bytes, size_t length, const int *descriptors, size_t count) {
    if (count > clinux_descriptors_max) return -EINVAL;
    struct iovec part = {(void *)bytes, length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union control control;
    memset(&control, 0, sizeof control);
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * count);
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : (int)sent;
}

int clinux_receive(int socket, void *bytes, size_t capacity, int *descriptors, size_t *count) {
    struct iovec part = {bytes, capacity};
    union control control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    *count = 0;
    ssize_t received;
    do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0) return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t came = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < came; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            if (*count < clinux_descriptors_max) descriptors[(*count)++] = descriptor;
            else close(descriptor);
        }
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        while (*count > 0) close(descriptors[--*count]);
        return -EMSGSIZE;
    }
    return (int)received;
}

int clinux_widen_pipe(int descriptor, int capacity) {
    int result = fcntl(descriptor, F_SETPIPE_SZ, capacity);
    return result < 0 ? -errno : result;
}

int clinux_peer_process(int socket) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return -errno;
    return peer.pid;
}

int clinux_peer_user(int socket, uint32_t *user) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return -errno;
    *user = peer.uid;
    return 0;
}

int clinux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0; }

int clinux_accept(int listener) {
    int socket;
    do socket = accept4(listener, 0, 0, SOCK_CLOEXEC);
    while (socket < 0 && errno == EINTR);
    return socket < 0 ? -errno : socket;
}

int clinux_file_system(const char *path, uint32_t *magic) {
    struct statfs status;
    if (statfs(path, &status) < 0) return -errno;
    *magic = (uint32_t)status.f_type;
    return 0;
}

int clinux_is_locked(int file, int64_t start, int64_t length) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    if (fcntl(file, F_OFD_GETLK, &lock) < 0) return -errno;
    return lock.l_type != F_UNLCK;
}
