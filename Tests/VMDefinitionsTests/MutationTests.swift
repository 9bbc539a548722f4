import MigrationModel
import TestSupport
import Testing

@testable import VMDefinitions

@Suite("Mutated definitions")
struct MutationTests {
    private static let pieces = [
        "<", ">", "/>", "</", "<!--", "-->", "<![CDATA[", "]]>", "<?x?>", "<!DOCTYPE a [", "&amp;",
        "&#x10FFFF;", "&#0;", "&x;", "'", "\"", "=", "xmlns='u'", "<a>", "\u{0}", "\u{FEFF}", "é",
        "99999999999999999999", "-1", "../", "<devices>", "</devices>",
    ].map { Array($0.utf8) }

    private static let seed = Array(
        devices(
            """
            <emulator>/q</emulator><disk type='file'><driver type='raw'/><source file='/d'/>
            <target dev='vda' bus='virtio'/></disk><interface type='bridge'><source bridge='b'/>
            <mac address='52:54:00:00:00:01'/></interface><serial type='pty'/>
            <rng model='virtio'><backend model='random'>/dev/random</backend></rng>
            """
        ).utf8)

    // Breaks when some text traps, is read beyond its end, or is accepted but cannot be written.
    @Test("damaged documents are refused or read, never a trap", arguments: 0..<16 as Range<UInt64>)
    func mutations(seed: UInt64) throws {
        var random = Seeded(seed)
        for _ in 0..<250 {
            var bytes = Self.seed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                let end = min(bytes.count, at + Int.random(in: 0...12, using: &random))
                let piece = Self.pieces.randomElement(using: &random) ?? []
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
                case 1: bytes.removeSubrange(at..<end)
                case 2: bytes.insert(contentsOf: bytes[at..<end], at: at)
                default: bytes.insert(contentsOf: piece, at: at)
                }
            }
            do throws(LivemigError) {
                let definition = try VMDefinitionDocument.decode(bytes: bytes, name: "vm.xml")
                let text = try VMDefinitionDocument.encode(definition)
                #expect(try decoded(text) == definition)
            } catch {
                #expect(error.place.hasPrefix("vm.xml:"), "\(error)")
                #expect(error.code != .internal, "\(error)")
            }
        }
    }
}
