/// Documents as users write them.
enum DocumentSamples {
    static let domains = [
        Seed("full", Array(full.utf8)), Seed("synthetic", Array(synthetic.utf8)),
    ]

    private static let full = """
        <domain type="qemu" id="7">
          <name>web1</name>
          <uuid>3F1C5B1E-7D0A-4C5E-9B57-0123456789AB</uuid>
          <memory unit="MiB">512</memory>
          <currentMemory unit="KiB">524288</currentMemory>
          <vcpu placement="static">2</vcpu>
          <cpu mode="custom" match="exact" check="none"><model fallback="forbid">qemu64</model></cpu>
          <os>
            <type arch="x86_64" machine="pc-q35-7.2">hvm</type>
            <loader>/usr/share/OVMF.fd</loader>
            <kernel>/boot/vm linuz,1</kernel>
            <initrd>/boot/initrd</initrd>
            <cmdline>console=ttyS0 a="b,c"</cmdline>
            <boot dev="network"/>
            <boot dev="hd"/>
          </os>
          <devices>
            <emulator>/usr/bin/qemu-system-x86_64</emulator>
            <disk type="file" device="disk">
              <driver name="qemu" type="qcow2" cache="none"/>
              <source file="/vm/a.qcow2"/>
              <target dev="vda" bus="virtio"/>
            </disk>
            <disk type="file"><driver type="raw"/><source file="/vm/b,c.raw"/><target dev="vdb"/><readonly/></disk>
            <interface type="bridge">
              <source bridge="br0"/><mac address="52:54:00:AB:cd:EF"/><model type="virtio"/>
            </interface>
            <interface type="user"><mac address="52:54:00:00:00:01"/></interface>
            <serial type="pty"><target type="isa-serial" port="0"><model name="isa-serial"/></target></serial>
            <serial type="file"><target port="1"/></serial>
            <console type="pty"><target type="serial" port="0"/></console>
            <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
          </devices>
        </domain>
        """

    private static let synthetic = """
        <?xml version="1.0" encoding="UTF-8"?>
        <domain type="synthetic"><name>guest</name><memory unit="MiB">64</memory><vcpu>1</vcpu>
        <os><type>hvm</type><cmdline>fill=24MiB ws=8MiB</cmdline></os>
        <devices><serial type="pty"/></devices></domain>
        """

    static let inventories = [
        Seed(
            "hosts",
            Array(
                """
                <?xml version="1.0"?>
                <livemig version="1">
                  <host name="alpha" address="10.0.0.11" port="2222" user="ops" identity="~/.ssh/livemig"
                        root="/srv/livemig" agent="/usr/bin/livemig-agent" authorizedKeys="/etc/keys/ops">
                    <hostKey>SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA</hostKey>
                    <migrationNetwork subnet="10.78.0.0/24" priority="2"/>
                    <migrationNetwork subnet="fd00:77::/64" priority="1"/>
                  </host>
                  <!-- the other -->
                  <host name="beta" address="beta.example"/>
                </livemig>
                """.utf8)),
        Seed("empty", Array(#"<livemig version="1"/>"#.utf8)),
    ]

    static let policies = [
        Seed(
            "full",
            Array(
                """
                <?xml version="1.0" encoding="UTF-8"?>
                <hostPolicy version="1">
                  <liveMigration enabled="no" simultaneous="3" compression="zstd"/>
                  <storageMigration simultaneous="1"/>
                  <memoryReserve size="1536MiB"/>
                  <hypervisor user="livemig-qemu"/>
                  <maintenance cordoned="yes">
                    <guest name="web1" uuid="6c9d3f2e-1b4a-4c8e-9f00-0123456789ab"/>
                  </maintenance>
                  <migrationNetworks any="no">
                    <migrationNetwork subnet="10.78.0.0/24" priority="2"/>
                    <migrationNetwork subnet="fd00:77::/64" simultaneous="3"/>
                  </migrationNetworks>
                  <!-- the other hosts of the rack -->
                  <peers><peer name="beta"/><peer name="gamma"/></peers>
                </hostPolicy>
                """.utf8)),
        Seed("empty", Array(#"<hostPolicy version="1"/>"#.utf8)),
    ]
}

/// What QEMU says to livemig's first commands.
enum MonitorSamples {
    static let conversations = [
        Seed("qemu-7.2", [0xFF] + lines(answers)),
        Seed("cut", [3] + lines(answers)),
    ]

    private static func lines(_ lines: [String]) -> [UInt8] {
        lines.flatMap { Array($0.utf8) + [13, 10] }
    }

    private static let answers = [
        #"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian 1:7.2"}, "capabilities": ["oob"]}}"#,
        #"{"return": {}, "id": 1}"#,
        #"{"return": [{"state": false, "capability": "x-ignore-shared"}, {"state": false, "capability": "events"}], "id": 2}"#,
        #"{"timestamp": {"seconds": 1700000000, "microseconds": 5}, "event": "STOP"}"#,
        #"{"return": {"status": "running", "singlestep": false, "running": true}, "id": 3}"#,
        #"{"timestamp": {"seconds": 1700000000, "microseconds": 9}, "event": "MIGRATION", "data": {"status": "setup"}}"#,
        #"{"return": {"status": "failed", "error-desc": "Unable to write \"é\""}, "id": 4}"#,
    ]
}
