#define _GNU_SOURCE
#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/sockios.h>

_Static_assert(clinux_interface_name_size == IFNAMSIZ, "IFNAMSIZ");
_Static_assert(
    clinux_driver_name_size == sizeof(((struct ethtool_drvinfo *)0)->driver), "drvinfo");

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

/* One ioctl(2) on an interface by its name (netdevice(7)). */
static int interface_request(const char *name, unsigned long code, struct ifreq *request) {
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0) return -errno;
    memset(request->ifr_name, 0, IFNAMSIZ);
    strncpy(request->ifr_name, name, IFNAMSIZ - 1);
    int failure = ioctl(control, code, request) < 0 ? errno : 0;
    close(control);
    return -failure;
}

int clinux_interface_mtu(const char *name) {
    struct ifreq request = {0};
    int failure = interface_request(name, SIOCGIFMTU, &request);
    return failure < 0 ? failure : request.ifr_mtu;
}

int clinux_interface_set_mtu(const char *name, int mtu) {
    struct ifreq request = {.ifr_mtu = mtu};
    return interface_request(name, SIOCSIFMTU, &request);
}

int clinux_interface_set_address(const char *name, const uint8_t *octets) {
    struct ifreq request = {0};
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(request.ifr_hwaddr.sa_data, octets, 6);
    return interface_request(name, SIOCSIFHWADDR, &request);
}

int clinux_interface_is_up(const char *name) {
    struct ifreq request = {0};
    int failure = interface_request(name, SIOCGIFFLAGS, &request);
    return failure < 0 ? failure : (request.ifr_flags & IFF_UP) != 0;
}

int clinux_interface_driver(const char *name, char *driver) {
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq request = {.ifr_data = (void *)&info};
    int failure = interface_request(name, SIOCETHTOOL, &request);
    if (failure < 0) return failure;
    memcpy(driver, info.driver, sizeof info.driver);
    driver[clinux_driver_name_size - 1] = 0;
    return 0;
}

int clinux_tcp_acknowledged(int socket, uint64_t *bytes) {
    struct tcp_info info;
    memset(&info, 0, sizeof info);
    socklen_t size = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) return -errno;
    *bytes = info.tcpi_bytes_acked;
    return 0;
}
