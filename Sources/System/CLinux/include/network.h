/* Tap devices (Documentation/networking/tuntap.rst) and bridge ports (SIOCBRADDIF). */
#ifndef CLINUX_NETWORK_H
#define CLINUX_NETWORK_H

#include <stdint.h>

/* The longest interface name, with its terminating zero (IFNAMSIZ). */
enum { clinux_interface_name_size = 16 };

/* An open tap device with virtio-net headers, named by the kernel after `pattern` such as "lm%d";
 * the name is written back. The device goes away with its last descriptor. */
int clinux_tap_open(char *_Nonnull name);

/* Attaches an interface to a bridge and sets it up. */
int clinux_bridge_attach(const char *_Nonnull bridge, const char *_Nonnull interface_name);

/* 1 when the interface exists and is a bridge, else 0. */
int clinux_is_bridge(const char *_Nonnull name);

/* The largest packet that an interface takes, without its Ethernet header. */
int clinux_interface_mtu(const char *_Nonnull name);
int clinux_interface_set_mtu(const char *_Nonnull name, int mtu);

/* Gives an interface, which is down, an Ethernet address of six octets. */
int clinux_interface_set_address(const char *_Nonnull name, const uint8_t *_Nonnull octets);

/* Whether an interface is set up: 1 or 0. */
int clinux_interface_is_up(const char *_Nonnull name);

/* The longest driver's name, with its terminating zero. */
enum { clinux_driver_name_size = 32 };

/* The name of an interface's driver (ETHTOOL_GDRVINFO), such as "bridge" or "openvswitch". */
int clinux_interface_driver(const char *_Nonnull name, char *_Nonnull driver);

/* How many bytes the peer's kernel has acknowledged on a connection (tcp(7), TCP_INFO). */
int clinux_tcp_acknowledged(int socket, uint64_t *_Nonnull bytes);

#endif
