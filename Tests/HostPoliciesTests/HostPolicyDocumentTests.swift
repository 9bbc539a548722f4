import MigrationModel
import Testing
import XMLDocuments

@testable import HostPolicies

/// A policy whose content starts at column 3 of line 2.
func document(_ content: String) -> String {
    "<hostPolicy version=\"1\">\n  \(content)\n</hostPolicy>"
}

func decode(_ text: String) throws(LivemigError) -> HostPolicy {
    try HostPolicyDocument.decode(bytes: Array(text.utf8), name: "host.xml")
}

@Suite("Host policy documents")
struct HostPolicyDocumentTests {
    /// A policy that differs from the default in everything.
    static func full() throws -> HostPolicy {
        var policy = HostPolicy()
        policy.isLiveMigrationEnabled = false
        policy.liveMoves = 255
        policy.storageMoves = 1
        policy.add(MigrationNetwork(try Subnet("10.77.0.0/24"), priority: 2))
        policy.add(MigrationNetwork(try Subnet("fd00:77::/64"), priority: 1, moves: 3))
        policy.allowsAnyNetwork = false
        policy.peers = [try HostName("beta"), try HostName("gamma-2.x")]
        policy.compression = .zstd
        policy.memoryReserve = .mebibytes(1536)
        policy.hypervisorUser = "livemig-qemu"
        policy.requiresSandbox = false
        policy.userNetworking = .refused
        try policy.maintenance.cordon(sending: [
            Maintenance.Guest(
                name: try VMName("web1"),
                uuid: try #require(VMUUID("6c9d3f2e-1b4a-4c8e-9f00-0123456789ab")))
        ])
        return policy
    }

    // Breaks when an element or attribute of the published format is misread.
    @Test("the published example is read")
    func example() throws {
        let text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <hostPolicy version="1">
              <peers><peer name="beta"/><peer name="gamma-2.x"/></peers>
              <memoryReserve size="1536MiB"/>
              <hypervisor user="livemig-qemu" sandbox="optional" userNetwork="refused"/>
              <maintenance cordoned="yes">
                <guest name="web1" uuid="6c9d3f2e-1b4a-4c8e-9f00-0123456789ab"/>
              </maintenance>
              <liveMigration enabled="no" simultaneous="255" compression="zstd"/>
              <storageMigration simultaneous="1"/>
              <migrationNetworks any="no">
                <migrationNetwork subnet="10.77.0.0/24" priority="2"/>
                <migrationNetwork subnet="fd00:77::/64" simultaneous="3"/>
              </migrationNetworks>
            </hostPolicy>
            """
        #expect(try decode(text) == Self.full())
    }

    // Breaks when what a file leaves out is not as by default.
    @Test(
        "what is left out is as by default",
        arguments: [
            "", "<liveMigration/>", "<storageMigration/>", "<migrationNetworks/>",
            "<liveMigration enabled='yes'/><storageMigration simultaneous='2'/>",
        ])
    func defaults(content: String) throws {
        #expect(try decode(document(content)) == HostPolicy())
    }

    // Breaks when what is written cannot be read, or loses a value.
    @Test(
        "policies come back as they were written",
        arguments: [0, 1, 1023, 1024, 3 << 20, 1 << 30, 16 << 40, (16 << 40) - 1] as [UInt64])
    func roundTrip(reserve: UInt64) throws {
        var policy = try Self.full()
        policy.memoryReserve = ByteCount(reserve)
        var apart = HostPolicy()
        apart.hypervisorUsers = try HypervisorUserRange(200_000, 265_535)
        for policy in [policy, HostPolicy(), apart] {
            #expect(try decode(HostPolicyDocument.encode(policy)) == policy)
        }
    }

    // Breaks when a policy that could never be read again is written.
    @Test("a policy that would not be read is not written")
    func encodeChecks() throws {
        let changes: [(ErrorCode, (inout HostPolicy) -> Void)] = [
            (.range, { $0.liveMoves = 0 }), (.range, { $0.storageMoves = 256 }),
            (.range, { $0.memoryReserve = ByteCount((16 << 40) + 1) }),
            (.range, { $0.networks[0].priority = -1 }), (.range, { $0.networks[0].moves = 0 }),
            (.range, { $0.networks[0].moves = 256 }),
            (.usage, { $0.hypervisorUser = "0" }),
            (.usage, { $0.networks.append($0.networks[0]) }),
            (.usage, { $0.peers.append($0.peers[0]) }), (.usage, { $0.networks = [] }),
        ]
        for (code, change) in changes {
            var policy = try Self.full()
            change(&policy)
            let error = #expect(throws: LivemigError.self) {
                try HostPolicyDocument.encode(policy)
            }
            #expect(error?.code == code)
        }
    }

    // Breaks when a bad value gets past its rule, an element is ignored, or its place is lost.
    @Test(
        "what is wrong is refused at its place",
        arguments: [
            ("<liveMigration enabled='true'/>", ErrorCode.xmlUnsupported, "2:18"),
            ("<liveMigration simultaneous='0'/>", .range, "2:18"),
            ("<liveMigration simultaneous='256'/>", .range, "2:18"),
            ("<liveMigration simultaneous='-1'/>", .range, "2:18"),
            ("<liveMigration simultaneous='two'/>", .range, "2:18"),
            ("<liveMigration compression='gzip'/>", .xmlUnsupported, "2:18"),
            ("<liveMigration colour='red'/>", .xmlUnsupported, "2:18"),
            ("<liveMigration/><liveMigration/>", .xmlSchema, "2:19"),
            ("<storageMigration enabled='no'/>", .xmlUnsupported, "2:21"),
            ("<hypervisor users='1-2'/>", .range, "2:15"),
            ("<hypervisor users='2000'/>", .xmlSchema, "2:15"),
            ("<hypervisor user='a' users='2000-3000'/>", .xmlSchema, "2:24"),
            ("<hypervisor sandbox='no'/>", .xmlUnsupported, "2:15"),
            ("<hypervisor userNetwork='on'/>", .xmlUnsupported, "2:15"),
            ("<hypervisor user=''/>", .xmlSchema, "2:15"),
            ("<hypervisor user='-u'/>", .xmlSchema, "2:15"),
            ("<hypervisor user='0'/>", .xmlSchema, "2:15"),
            ("<hypervisor user='a:b'/>", .xmlSchema, "2:15"),
            ("<maintenance cordoned='perhaps'/>", .xmlUnsupported, "2:16"),
            ("<maintenance><guest name='web1'/></maintenance>", .xmlSchema, "2:16"),
            ("<memoryReserve/>", .xmlSchema, "2:3"),
            ("<memoryReserve size='512'/>", .size, "2:18"),
            ("<memoryReserve size='-1MiB'/>", .size, "2:18"),
            ("<memoryReserve size='1.5GiB'/>", .size, "2:18"),
            ("<memoryReserve size='17TiB'/>", .range, "2:18"),
            ("<memoryReserve size='999999999999999TiB'/>", .range, "2:18"),
            ("<migrationNetworks any='no'/>", .xmlSchema, "2:22"),
            ("<migrationNetworks><migrationNetwork/></migrationNetworks>", .xmlSchema, "2:22"),
            (
                "<migrationNetworks><migrationNetwork subnet='10.0.0.1/24'/></migrationNetworks>",
                .xmlSchema, "2:40"
            ),
            (
                "<migrationNetworks><migrationNetwork subnet='::/0' priority='x'/>"
                    + "</migrationNetworks>", .range, "2:54"
            ),
            (
                "<migrationNetworks><migrationNetwork subnet='::/0'/>"
                    + "<migrationNetwork subnet='0::/0'/></migrationNetworks>", .xmlSchema, "2:73"
            ),
            ("<peers/>", .xmlSchema, "2:3"), ("<peers><peer/></peers>", .xmlSchema, "2:10"),
            ("<peers><peer name='a b'/></peers>", .hostName, "2:16"),
            ("<peers><peer name='a'/><peer name='a'/></peers>", .xmlSchema, "2:32"),
            ("<quota/>", .xmlUnsupported, "2:3"), ("text", .xmlUnsupported, "1:1"),
        ])
    func refusals(content: String, code: ErrorCode, place: String) {
        let error = #expect(throws: LivemigError.self) { try decode(document(content)) }
        #expect(error?.code == code, "\(error as Any)")
        #expect(error?.place == "host.xml:\(place)", "\(error as Any)")
    }

    // Breaks when a file of another kind or version is read as a policy.
    @Test(
        "another root or version is refused",
        arguments: [
            "<livemig version='1'/>", "<hostPolicy/>", "<hostPolicy version='2'/>",
            "<hostPolicy xmlns='urn:x' version='1'/>",
            "<!DOCTYPE hostPolicy><hostPolicy version='1'/>",
        ])
    func roots(text: String) {
        #expect(throws: LivemigError.self) { try decode(text) }
    }

    // Breaks when the schema that other tools use and the decoder disagree on structure.
    @Test(
        "schema and decoder agree",
        arguments: [
            (document(""), true), (document("<liveMigration enabled='yes'/>"), true),
            (document("<peers><peer name='a'/></peers><storageMigration/>"), true),
            (document("<memoryReserve size='0B'/>"), true),
            (document("<hypervisor user='nobody'/>"), true), (document("<hypervisor/>"), true),
            (document("<hypervisor users='2000-3000' sandbox='optional'/>"), true),
            (document("<hypervisor userNetwork='open'/>"), true),
            (document("<hypervisor users='2000'/>"), false),
            (document("<hypervisor user='a' users='2000-3000'/>"), false),
            (document("<hypervisor user='65534'/>"), false),
            (
                document(
                    "<migrationNetworks><migrationNetwork subnet='::/0'/></migrationNetworks>"),
                true
            ),
            (document("<peers/>"), false), (document("<memoryReserve size='1GB'/>"), false),
            (document("<liveMigration simultaneous='0'/>"), false),
            (document("<liveMigration simultaneous='256'/>"), false),
            (document("<liveMigration compression='fast'/>"), false),
            (document("<liveMigration/><liveMigration/>"), false),
            (document("<migrationNetworks any='maybe'/>"), false), (document("x"), false),
            (document("<unknown/>"), false), ("<hostPolicy/>", false),
        ])
    func agreement(text: String, isAccepted: Bool) throws {
        let document = try XMLDocument(bytes: Array(text.utf8), name: "host.xml")
        var bySchema = true
        do throws(LivemigError) {
            try HostPolicyDocument.schema.validate(document)
        } catch {
            #expect(error.code == .xmlSchema)
            bySchema = false
        }
        #expect(bySchema == isAccepted)
        let byDecoder = (try? HostPolicyDecoder.policy(document.root)) != nil
        #expect(byDecoder == isAccepted)
    }
}
