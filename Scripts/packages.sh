# shellcheck shell=bash
# The packages that building and running livemig takes, as Debian and Ubuntu name them.

# To build: the C libraries behind the module maps.
LIVEMIG_BUILD_PACKAGES=(libssh-dev libxml2-dev liblz4-dev libzstd-dev libxxhash-dev libsqlite3-dev pkg-config)

# To run hosts on this machine: sshd, QEMU, and what a test guest is made of.
LIVEMIG_RUN_PACKAGES=(openssh-server openssh-client qemu-system-x86 qemu-utils cpio gzip gcc libc6-dev kmod iproute2 e2fsprogs
    systemd util-linux)

# To look at what people see: a terminal emulator without a window, a reader of manual pages that finds faults in them, and
# the shells that completions are written for. To be another user, and to mark files: sudo, passwd, acl, attr.
LIVEMIG_TEST_PACKAGES=(tmux mandoc bash zsh fish sudo passwd acl attr)

# To read what was covered by tests.
LIVEMIG_COVERAGE_PACKAGES=(python3)
