import MigrationModel
import Testing

@Suite("Bridges that take others' places")
struct NetworkMapTests {
    private static func definition(_ bridges: String?...) throws -> VMDefinition {
        VMDefinition(
            name: try VMName("web1"), uuid: VMUUID(Bits128(high: 1, low: 1)), kind: .qemu,
            memory: .mebibytes(64),
            interfaces: bridges.enumerated().map { index, bridge in
                VMDefinition.Interface(
                    attachment: bridge.map { .bridge($0) } ?? .user, mac: "52:54:00:00:00:0\(index)"
                )
            })
    }

    private static func map(_ pairs: (String, String)...) throws -> NetworkMap {
        try NetworkMap(
            pairs.map { pair throws(LivemigError) in try NetworkMap.Entry(pair.0, pair.1) })
    }

    // Broken by: a bridge that is replaced twice over, an interface that loses its address, or one
    // of another kind that is touched.
    @Test func bridgesCanChangePlaces() throws {
        let before = try Self.definition("br0", nil, "br1", "br2", "br0")
        let map = try Self.map(("br0", "br1"), ("br1", "br0"))
        let after = map.applied(to: before)
        #expect(after == (try Self.definition("br1", nil, "br0", "br2", "br1")))
        #expect(map.applied(to: after) == before)
        #expect(NetworkMap().applied(to: before) == before)
    }

    // Broken by: a mistyped bridge that nobody is told of.
    @Test func unused() throws {
        let map = try Self.map(("br9", "br1"), ("br0", "br1"), ("br3", "br1"))
        #expect(map.unused(in: try Self.definition("br0", nil)) == ["br3", "br9"])
        #expect(map.unused(in: try Self.definition()) == ["br0", "br3", "br9"])
        #expect("\(try Self.map(("a", "b"), ("c", "d")))" == "a → b, c → d")
    }

    // Broken by: a name that no interface can have, or one of two answers for a bridge.
    @Test(
        "refused",
        arguments: [
            ("", "br1"), ("br0", ""), ("br0", "a/b"), ("br 0", "br1"), ("br0", "..ж"),
            ("0123456789abcdef", "br1"), ("br0", "0123456789abcdef"),
        ])
    func names(old: String, new: String) {
        let error = #expect(throws: LivemigError.self) { try NetworkMap.Entry(old, new) }
        #expect(error?.code == .usage)
    }

    // Broken by: a bridge with two answers, or a list without end.
    @Test func lists() throws {
        #expect(throws: LivemigError.self) { try Self.map(("br0", "br1"), ("br0", "br2")) }
        let entries = try (0...NetworkMap.limit).map { number in
            try NetworkMap.Entry("br\(number)", "br")
        }
        #expect(throws: LivemigError.self) { try NetworkMap(entries) }
        #expect(try NetworkMap(entries.dropLast()).entries.count == NetworkMap.limit)
    }
}
