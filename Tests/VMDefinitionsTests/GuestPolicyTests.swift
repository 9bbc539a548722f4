import MigrationModel
import Testing

@testable import VMDefinitions

/// A domain with this in its policy, which starts on line 2.
func policy(_ content: String, attributes: String = "") -> String {
    domain(
        "<metadata><policy xmlns='urn:livemig:policy:1'\(attributes)>"
            + "\(content)</policy></metadata>")
}

@Suite("Guest policies in definitions")
struct GuestPolicyTests {
    // Breaks when a part of a policy is misread, or the order of preferred hosts is lost.
    @Test("everything a policy can say is read")
    func everything() throws {
        let text = policy(
            """
            <drain action="live" fallback="save"/>
            <prefer host="gamma"/><prefer host="beta"/>
            <forbid host="old"/><forbid host="alpha"/>
            <affinity group="web"/><antiAffinity group="db" required="yes"/>
            """, attributes: " priority='high'")
        let expected = GuestPolicy(
            priority: .high, drain: DrainPolicy(.live, fallback: .save),
            placement: PlacementRules(
                preferred: [try HostName("gamma"), try HostName("beta")],
                forbidden: [try HostName("alpha"), try HostName("old")], affinity: "web",
                antiAffinity: .init("db", isHard: true)))
        #expect(try decoded(text).policy == expected)
    }

    // Breaks when a policy changes on its way through a file, or one that says nothing is written.
    @Test(
        "a policy comes back as it was written",
        arguments: [
            GuestPolicy(), GuestPolicy(priority: .low),
            GuestPolicy(drain: DrainPolicy(.leave)),
            GuestPolicy(drain: DrainPolicy(.live, fallback: .stop)),
            GuestPolicy(placement: PlacementRules(affinity: "web")),
            GuestPolicy(placement: PlacementRules(antiAffinity: .init("db"))),
        ])
    func roundTrip(policy: GuestPolicy) throws {
        var definition = try decoded(domain(""))
        definition.policy = policy
        let text = try VMDefinitionDocument.encode(definition)
        #expect(try decoded(text) == definition)
        #expect(text.contains("metadata") == !policy.isDefault)
    }

    // Breaks when something that contradicts itself, or too much, is accepted, or is not found.
    @Test(
        "a policy that cannot be meant is refused with its place",
        arguments: [
            (policy("<drain action='save' fallback='stop'/>"), ErrorCode.xmlSchema, "2:11"),
            (policy("<drain fallback='live'/>"), .xmlSchema, "2:11"),
            (policy("<prefer host='b'/><prefer host='b'/>"), .xmlSchema, "2:11"),
            (policy("<prefer host='b'/><forbid host='b'/>"), .xmlSchema, "2:11"),
            (policy("<forbid host='../b'/>"), .hostName, "2:56"),
            (policy("", attributes: " priority='urgent'"), .range, "2:48"),
            (
                policy((1...17).map { "<forbid host='h\($0)'/>" }.joined()), .range, "2:11"
            ),
            (
                domain("<metadata><policy xmlns='urn:other'/></metadata>"), .xmlUnsupported, "2:11"
            ),
            (
                domain("<metadata><app xmlns='urn:other'/></metadata>"), .xmlUnsupported, "2:11"
            ),
        ])
    func refused(text: String, code: ErrorCode, place: String) {
        let error = refusal(of: text)
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(error?.place == "vm.xml:\(place)", "\(String(describing: error))")
    }
}
