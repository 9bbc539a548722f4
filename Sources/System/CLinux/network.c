#define _GNU_SOURCE
#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/sockios.h>

_Static_assert(clinux_interface_name_size == IFNAMSIZ, "IFNAMSIZ");

int clinux_tap_open(char *name) {
    int descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return -errno;
    struct ifreq request;
    memset(&request, 0, sizeof request);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    memcpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(descriptor, TUNSETIFF, &request) < 0) {
        int failure = errno;
        close(descriptor);
        return -failure;
    }
    memcpy(name, request.ifr_name, IFNAMSIZ);
    return descriptor;
}

int clinux_bridge_attach(const char *bridge, const char *interface_name) {
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0) return -errno;
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, bridge, IFNAMSIZ - 1);
    int failure = 0;
    unsigned index = if_nametoindex(interface_name);
    if (index == 0) failure = errno;
    request.ifr_ifindex = (int)index;
    if (!failure && ioctl(control, SIOCBRADDIF, &request) < 0) failure = errno;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, interface_name, IFNAMSIZ - 1);
    if (!failure && ioctl(control, SIOCGIFFLAGS, &request) < 0) failure = errno;
    request.ifr_flags |= IFF_UP;
    if (!failure && ioctl(control, SIOCSIFFLAGS, &request) < 0) failure = errno;
    close(control);
    return -failure;
}

int clinux_is_bridge(const char *name) {
    char path[64];
    struct stat status;
    if (strchr(name, '/') || strlen(name) >= IFNAMSIZ) return 0;
    snprintf(path, sizeof path, "/sys/class/net/%s/bridge", name);
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}
