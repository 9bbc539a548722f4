// eth0 and the echo server: a connection that lives through a migration, and a heartbeat that can be asked for.
#define _GNU_SOURCE
#include "workload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ECHO_PORT = 7000, BACKLOG = 16, MAX_CONNECTIONS = 64, DEVICE_WAIT_MS = 5000 };

static atomic_int connections;

static bool set_up(int control, const char *name, const char *address, int bits)
{
    struct ifreq request = {0};
    struct sockaddr_in *value = (struct sockaddr_in *)&request.ifr_addr;
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (address) {
        value->sin_family = AF_INET;
        if (inet_pton(AF_INET, address, &value->sin_addr) != 1) {
            errno = EINVAL;
            return false;
        }
        if (ioctl(control, SIOCSIFADDR, &request) != 0)
            return false;
        value->sin_addr.s_addr = bits ? htonl(~0u << (32 - bits)) : 0;
        if (ioctl(control, SIOCSIFNETMASK, &request) != 0)
            return false;
    }
    if (ioctl(control, SIOCGIFFLAGS, &request) != 0)
        return false;
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    return ioctl(control, SIOCSIFFLAGS, &request) == 0;
}

static bool send_all(int socket, const char *bytes, size_t count)
{
    for (size_t done = 0; done < count;) {
        ssize_t sent = send(socket, bytes + done, count - done, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        done += (size_t)sent;
    }
    return true;
}

/// Takes in some bytes and puts out the answer. `held` is how much of "beat\n" the line now arriving has matched, -1 once it
/// has not: those bytes are owed until it is clear whether they are the question.
static size_t answer(const char *in, size_t count, char *out, int *held)
{
    static const char question[] = "beat\n";
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (*held >= 0 && in[i] == question[*held]) {
            if (++*held == 5) {
                used += beat_line(out + used, 256);
                out[used++] = '\n';
                *held = 0;
            }
            continue;
        }
        for (int owed = 0; owed < *held; owed++)
            out[used++] = question[owed];
        out[used++] = in[i];
        *held = in[i] == '\n' ? 0 : -1;
    }
    return used;
}

static void *serve(void *argument)
{
    int client = (int)(intptr_t)argument, held = 0;
    char in[512];
    static const size_t most = sizeof in / 5 * 257 + 8;  // every five bytes could be a question
    char *out = malloc(most + sizeof in);
    ssize_t count;
    while (out && (count = recv(client, in, sizeof in, 0)) > 0)
        if (!send_all(client, out, answer(in, (size_t)count, out, &held)))
            break;
    free(out);
    close(client);
    atomic_fetch_sub(&connections, 1);
    return NULL;
}

static void *accept_for_ever(void *argument)
{
    int server = (int)(intptr_t)argument;
    for (;;) {
        int client = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) {
            say("ERROR echo server: %s", strerrorname_np(errno));
            sleep(1);
        } else if (atomic_fetch_add(&connections, 1) >= MAX_CONNECTIONS) {
            atomic_fetch_sub(&connections, 1);
            close(client);
        } else {
            start_thread("echo", serve, (void *)(intptr_t)client);
        }
    }
    return NULL;
}

static bool listen_for_echo(void)
{
    const int yes = 1;
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(ECHO_PORT)};
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0 || setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(server, (const struct sockaddr *)&any, sizeof any) != 0 || listen(server, BACKLOG) != 0)
        return false;
    start_thread("echo", accept_for_ever, (void *)(intptr_t)server);
    return true;
}

void start_network(void)
{
    char address[NAME_BYTES];
    strcpy(address, settings.net);
    char *slash = strchr(address, '/'), *end = NULL;
    long bits = slash ? strtol(slash + 1, &end, 10) : -1;
    if (!slash || end == slash + 1 || *end || bits < 1 || bits > 32)
        fail("lm.net=%s is not ADDRESS/BITS, such as 10.0.2.15/24", settings.net);
    *slash = 0;
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (!wait_for_path("/sys/class/net/eth0", DEVICE_WAIT_MS))
        say("ERROR network: no eth0; is a card attached, and is its driver in /modules.list");
    else if (!set_up(control, "lo", NULL, 0) || !set_up(control, "eth0", address, (int)bits) || !listen_for_echo())
        say("ERROR network %s: %s", settings.net, strerrorname_np(errno));
    else
        say("net address=%s port=%d", settings.net, ECHO_PORT);
    if (control >= 0)
        close(control);
}
