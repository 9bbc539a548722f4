import MigrationModel
import Testing
import XMLDocuments

@testable import Inventory

let fingerprint = "SHA256:" + String(repeating: "x", count: 42) + "A"

/// A one-host inventory whose host has these attributes, starting at column 3 of line 2.
func inventory(_ attributes: String, content: String = "") -> String {
    "<livemig version=\"1\">\n  <host \(attributes)>\(content)</host>\n</livemig>"
}

func refusal(ofInventory text: String) -> LivemigError? {
    do throws(LivemigError) {
        _ = try InventoryDocument.decode(bytes: Array(text.utf8), name: "hosts.xml")
        return nil
    } catch {
        return error
    }
}

@Suite("Inventory documents")
struct InventoryDocumentTests {
    // Breaks when an attribute or element of the published format is misread.
    @Test("the published example is read")
    func example() throws {
        let text = """
            <livemig version="1">
              <host name="alpha" address="10.0.0.11" port="2222" user="ops" identity="~/.ssh/livemig"
                    root="/srv/livemig" agent="/usr/bin/livemig-agent" authorizedKeys="/etc/keys/ops">
                <hostKey> \(fingerprint) </hostKey>
                <migrationNetwork subnet="10.78.0.0/24" priority="2"/>
                <migrationNetwork subnet="fd00:77::/64" priority="1"/>
              </host>
              <host name="beta" address="beta.example"/>
            </livemig>
            """
        let hosts = try InventoryDocument.decode(bytes: Array(text.utf8), name: "hosts.xml")
        let alpha = HostRecord(
            name: try HostName("alpha"), address: "10.0.0.11", port: 2222, user: "ops",
            identity: "~/.ssh/livemig", root: "/srv/livemig", hostKeys: [fingerprint],
            authorizedKeys: "/etc/keys/ops",
            migrationNetworks: [
                MigrationNetwork(try Subnet("fd00:77::/64")),
                MigrationNetwork(try Subnet("10.78.0.0/24"), priority: 2),
            ])
        let beta = HostRecord(name: try HostName("beta"), address: "beta.example", hostKeys: [])
        #expect(hosts == [alpha, beta])
        #expect(alpha.identityPath(home: "/home/o") == "/home/o/.ssh/livemig")
        #expect(beta.identityPath(home: "/home/o") == nil)
    }

    // Breaks when what is written cannot be read, or loses a field.
    @Test("records come back as they were written")
    func roundTrip() throws {
        let full = HostRecord(
            name: try HostName("a.b_c-1"), address: "fe80::1", port: 65535, user: "_x",
            identity: "/keys/a & <b> \"c\"", root: "/r@1:+", agent: "/a", hostKeys: [fingerprint],
            authorizedKeys: "/k",
            migrationNetworks: [MigrationNetwork(try Subnet("0.0.0.0/0"), priority: 0)])
        let bare = HostRecord(name: try HostName("b"), address: "b", hostKeys: [])
        for records in [[], [bare], [full, bare]] {
            let text = try InventoryDocument.encode(records)
            #expect(
                try InventoryDocument.decode(bytes: Array(text.utf8), name: "hosts.xml") == records)
        }
    }

    // Breaks when a record that could never be read again is written.
    @Test("a record that would not be read is not written")
    func encodeChecks() throws {
        let good = HostRecord(name: try HostName("a"), address: "a", hostKeys: [])
        var bad = good
        bad.agent = "/x; rm"
        #expect(throws: LivemigError.self) { try InventoryDocument.encode([bad]) }
        let twice = #expect(throws: LivemigError.self) {
            try InventoryDocument.encode([good, good])
        }
        #expect(twice?.code == .exists)
    }

    // Breaks when a value of an attribute gets past its rule, or its place is lost.
    @Test(
        "a bad value is refused at its attribute",
        arguments: [
            ("name=\"a b\" address=\"x\"", ErrorCode.hostName, "2:9"),
            ("name=\"a\" address=\"-oProxyCommand=x\"", .hostName, "2:18"),
            ("name=\"a\" address=\"$(id)\"", .hostName, "2:18"),
            ("name=\"a\" address=\"\"", .hostName, "2:18"),
            ("name=\"a\" address=\"\(String(repeating: "a", count: 254))\"", .hostName, "2:18"),
            ("name=\"a\" address=\"x\" port=\"0\"", .port, "2:30"),
            ("name=\"a\" address=\"x\" port=\"65536\"", .port, "2:30"),
            ("name=\"a\" address=\"x\" port=\"-1\"", .port, "2:30"),
            ("name=\"a\" address=\"x\" port=\"+22\"", .port, "2:30"),
            ("name=\"a\" address=\"x\" port=\"22 \"", .port, "2:30"),
            ("name=\"a\" address=\"x\" port=\"٢٢\"", .port, "2:30"),
            ("name=\"a\" address=\"x\" port=\"99999999999999999999\"", .port, "2:30"),
            ("name=\"a\" address=\"x\" user=\"-l\"", .xmlSchema, "2:30"),
            ("name=\"a\" address=\"x\" user=\"a b\"", .xmlSchema, "2:30"),
            ("name=\"a\" address=\"x\" root=\"var\"", .xmlSchema, "2:30"),
            ("name=\"a\" address=\"x\" root=\"/a/../b\"", .xmlSchema, "2:30"),
            ("name=\"a\" address=\"x\" agent=\"/a b\"", .xmlSchema, "2:30"),
            ("name=\"a\" address=\"x\" agent=\"/a'\"", .xmlSchema, "2:30"),
            ("name=\"a\" address=\"x\" authorizedKeys=\"~/k\"", .xmlSchema, "2:30"),
            ("name=\"a\" address=\"x\" identity=\"k\"", .xmlSchema, "2:30"),
            ("name=\"a\" address=\"x\" identity=\"~user/k\"", .xmlSchema, "2:30"),
            ("name=\"a\" address=\"x\" identity=\"/k&#10;\"", .xmlSchema, "2:30"),
            ("name=\"a\" address=\"x\" colour=\"red\"", .xmlUnsupported, "2:30"),
            ("name=\"a\" address=\"x\" xmlns:q=\"red\"", .xmlUnsupported, "2:30"),
            ("address=\"x\"", .xmlSchema, "2:3"), ("name=\"a\"", .xmlSchema, "2:3"),
        ])
    func attributes(attributes: String, code: ErrorCode, place: String) {
        let error = refusal(ofInventory: inventory(attributes))
        #expect(error?.code == code)
        #expect(error?.place == "hosts.xml:\(place)", "\(String(describing: error))")
    }

    // Breaks when an element's value gets past its rule, or an element is ignored.
    @Test(
        "a bad element is refused at its place",
        arguments: [
            ("<hostKey>SHA256:abc</hostKey>", ErrorCode.xmlSchema),
            ("<hostKey>\(fingerprint)=</hostKey>", .xmlSchema),
            ("<hostKey>\(fingerprint.dropLast())B</hostKey>", .xmlSchema),
            ("<hostKey>MD5:\(fingerprint.dropFirst(7))</hostKey>", .xmlSchema),
            ("<hostKey type='x'>\(fingerprint)</hostKey>", .xmlUnsupported),
            ("<migrationNetwork/>", .xmlSchema),
            ("<migrationNetwork subnet='10.0.0.0'/>", .xmlSchema),
            ("<migrationNetwork subnet='10.0.0.0/33'/>", .xmlSchema),
            ("<migrationNetwork subnet='10.0.0.1/24'/>", .xmlSchema),
            ("<migrationNetwork subnet='fd00::1/64'/>", .xmlSchema),
            ("<migrationNetwork subnet='10.0.0.0/24' priority='-1'/>", .range),
            ("<migrationNetwork subnet='10.0.0.0/24' priority='65536'/>", .range),
            ("<guest/>", .xmlUnsupported), ("text", .xmlUnsupported),
        ])
    func elements(content: String, code: ErrorCode) {
        let error = refusal(ofInventory: inventory("name='a' address='x'", content: content))
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(error?.place.hasPrefix("hosts.xml:2:") == true)
    }

    // Breaks when two records of one name leave the choice to chance.
    @Test("a host named twice is refused at the second one")
    func duplicate() {
        let host = "<host name='a' address='x'/>"
        let error = refusal(ofInventory: "<livemig version='1'>\n\(host)\n\(host)</livemig>")
        #expect(error?.code == .xmlSchema)
        #expect(error?.place == "hosts.xml:3:7")
        #expect(error?.what.contains("2:1") == true)
    }

    // Breaks when a file of another kind or version is read as an inventory.
    @Test(
        "another root or version is refused",
        arguments: [
            "<domain/>", "<livemig/>", "<livemig version='2'/>", "<livemig version='1'>x</livemig>",
            "<livemig xmlns='urn:x' version='1'/>", "<!DOCTYPE livemig><livemig version='1'/>",
        ])
    func roots(text: String) {
        #expect(refusal(ofInventory: text) != nil)
    }

    // Breaks when the schema that other tools use and the decoder disagree on structure.
    @Test(
        "schema and decoder agree",
        arguments: [
            (inventory("name='a' address='x'"), true),
            (inventory("name='a' address='x'", content: "<hostKey>\(fingerprint)</hostKey>"), true),
            (
                inventory(
                    "name='a' address='x' port='22' user='r' identity='~/k' root='/' agent='/a'",
                    content: "<migrationNetwork subnet='10.0.0.0/8'/>"
                        + "<hostKey>\(fingerprint)</hostKey>"
                        + "<migrationNetwork subnet='fd00::/8' priority='3'/>"), true
            ),
            (inventory("name='a'"), false), (inventory("address='a'"), false),
            (inventory("name='a' address='x' port='0'"), false),
            (inventory("name='a' address='x' port='65536'"), false),
            (inventory("name='a' address='x' agent='a'"), false),
            (inventory("name='a' address='x' colour='a'"), false),
            (inventory("name='a' address='x'", content: "<b/>"), false),
            (inventory("name='a' address='x'", content: "<hostKey/>"), false),
            (inventory("name='a' address='x'", content: "b"), false),
            ("<livemig version='1'/>", true), ("<livemig version='2'/>", false),
            ("<livemig/>", false), ("<hosts version='1'/>", false),
        ])
    func agreement(text: String, isAccepted: Bool) throws {
        let document = try XMLDocument(bytes: Array(text.utf8), name: "hosts.xml")
        var bySchema = true
        do throws(LivemigError) {
            try InventoryDocument.schema.validate(document)
        } catch {
            #expect(error.code == .xmlSchema)
            bySchema = false
        }
        let byDecoder = (try? InventoryDecoder.records(document.root)) != nil
        #expect(bySchema == isAccepted)
        #expect(byDecoder == isAccepted)
    }
}
