import MigrationModel
import Testing

@Suite("Host policy")
struct HostPolicyTests {
    // Broken by: an address read as another one, or printed in another form than it is read.
    @Test(
        "addresses",
        arguments: [
            ("10.77.0.1", true), ("127.0.0.1", false), ("0.0.0.0", false), ("169.254.1.1", false),
            ("fd00:77::1", true), ("::1", false), ("::", false), ("fe80::1", false),
            ("febf::1", false), ("fec0::1", true), ("::ffff:10.0.0.1", true),
        ])
    func addresses(text: String, isUsable: Bool) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == text)
        #expect(address.isUsableByPeers == isUsable)
        #expect(IPAddress(bytes: address.bytes) == address)
    }

    // Broken by: other text or another number of bytes taken for an address.
    @Test(
        "no addresses",
        arguments: [
            "", "10.0.0", "10.0.0.256", "10.0.0.1 ", "1.2.3.4\0", "host", "fe80::1%eth0", ":::",
            String(repeating: "1", count: 99),
        ])
    func noAddresses(text: String) {
        #expect(IPAddress(text) == nil)
        #expect(IPAddress(bytes: Array(text.utf8.prefix(3))) == nil)
    }

    // Broken by: a prefix that is counted in bytes, or a bit off.
    @Test(
        "what lies in a subnet",
        arguments: [
            ("10.77.0.0/24", "10.77.0.255", true), ("10.77.0.0/24", "10.77.1.0", false),
            ("10.77.0.0/23", "10.77.1.0", true), ("10.77.0.4/31", "10.77.0.6", false),
            ("10.77.0.4/32", "10.77.0.4", true), ("0.0.0.0/0", "255.1.1.1", true),
            ("0.0.0.0/0", "::1", false), ("::/0", "10.0.0.1", false),
            ("fd00:77::/64", "fd00:77::1:2", true), ("fd00:77::/64", "fd00:77:0:1::", false),
        ])
    func subnets(text: String, address: String, isInside: Bool) throws {
        let subnet = try Subnet(text)
        #expect(subnet.description == text)
        #expect(subnet.contains(try #require(IPAddress(address))) == isInside)
    }

    // Broken by: text that is none taken for a network, or a priority that is lost.
    @Test func networks() throws {
        let network = try MigrationNetwork(parsing: "10.0.0.0/8=65535")
        #expect(network == MigrationNetwork(try Subnet("10.0.0.0/8"), priority: 65535))
        #expect(try MigrationNetwork(parsing: "10.0.0.0/8").priority == 1)
        let bad: [(String, ErrorCode)] = [
            ("10.0.0.1/8", .usage), ("10.0.0.0", .usage), ("10.0.0.0/08", .usage),
            ("10.0.0.0/33", .usage), ("10.0.0.0/+8", .usage), ("10.0.0.0/8/8", .usage),
            ("", .usage),
            ("10.0.0.0/8=", .range), ("10.0.0.0/8=65536", .range), ("10.0.0.0/8=-1", .range),
        ]
        for (text, code) in bad {
            let error = #expect(throws: LivemigError.self) { try MigrationNetwork(parsing: text) }
            #expect(error?.code == code, "\(text)")
        }
    }

    // Broken by: networks out of the order in which they are tried, or one listed twice.
    @Test func networksAreListedBestFirst() throws {
        var policy = HostPolicy()
        for text in ["10.3.0.0/16=3", "10.1.0.0/16=1", "10.2.0.0/16=2", "10.4.0.0/16=2"] {
            policy.add(try MigrationNetwork(parsing: text))
        }
        policy.add(try MigrationNetwork(parsing: "10.3.0.0/16=0"))
        let shown = policy.networks.map { "\($0.subnet)=\($0.priority)" }
        #expect(shown == ["10.3.0.0/16=0", "10.1.0.0/16=1", "10.2.0.0/16=2", "10.4.0.0/16=2"])
        try policy.check()
    }

    // Broken by: a host that refuses whom it allows, or lets in whom it does not.
    @Test func whoIsAdmitted() throws {
        var policy = HostPolicy()
        try policy.admit(peer: "anybody", at: "here")
        policy.peers = [try HostName("beta")]
        try policy.admit(peer: "beta", at: "here")
        let stranger = #expect(throws: LivemigError.self) {
            try policy.admit(peer: "gamma", at: "here")
        }
        #expect(stranger?.code == .peer)
        policy.isLiveMigrationEnabled = false
        let disabled = #expect(throws: LivemigError.self) {
            try policy.admit(peer: "beta", at: "here")
        }
        #expect(disabled?.code == .disabled)
    }

    // Broken by: page data that leaves the networks it is bound to.
    @Test func whichAddressesAreAllowed() throws {
        var policy = HostPolicy()
        policy.add(try MigrationNetwork(parsing: "10.77.0.0/24"))
        #expect(policy.allows(address: nil))
        policy.allowsAnyNetwork = false
        #expect(policy.allows(address: IPAddress("10.77.0.9")))
        #expect(!policy.allows(address: IPAddress("10.78.0.9")))
        #expect(!policy.allows(address: nil))
    }

    // Broken by: a reserve that leaves a small host nothing, or a large one too little.
    @Test func defaultReserve() {
        let policy = HostPolicy()
        #expect(policy.memoryReserve(of: .mebibytes(2048)) == .mebibytes(512))
        #expect(policy.memoryReserve(of: .mebibytes(102_400)) == .mebibytes(5120))
        var own = policy
        own.memoryReserve = ByteCount(0)
        #expect(own.memoryReserve(of: .mebibytes(102_400)) == ByteCount(0))
    }
}
