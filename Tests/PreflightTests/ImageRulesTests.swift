import MigrationModel
import Testing

@testable import Preflight

@Suite("Images on both hosts")
struct ImageRulesTests {
    private static func image(size: UInt64, inode: UInt64) -> ImageFacts {
        ImageFacts(target: "vda", path: "/srv/a", size: size, inode: inode)
    }

    // Broken by: another file under the same path that passes, or the same file that does not.
    @Test(
        "Two files under one path are told apart",
        arguments: [
            (UInt64(4096), UInt64(7), nil), (8192, 7, Finding.Kind.error(.disk)),
            (8192, 8, .error(.disk)), (4096, 8, .warning(.fence)),
        ] as [(UInt64, UInt64, Finding.Kind?)])
    func compared(size: UInt64, inode: UInt64, kind: Finding.Kind?) {
        let (ours, theirs) = (
            Self.image(size: 4096, inode: 7), Self.image(size: size, inode: inode)
        )
        #expect(ImageRules.findings([ours], [theirs]).map(\.kind) == [kind].compactMap { $0 })
        #expect(ImageRules.findings([], [theirs]).isEmpty)
        let told = ImageRules.findings([ours], [theirs], unfenced: [ImageRules.place(theirs)])
        #expect(told.allSatisfy { $0.error != nil })
    }

    // Broken by: a thin image on a full file system that is not told, or one with room that is.
    @Test("An image that cannot grow is told")
    func growth() {
        let image = Self.image(size: 1 << 30, inode: 1)
        func found(_ allocated: UInt64, _ free: UInt64) -> Bool {
            ImageRules.growth(
                of: image, allocated: ByteCount(allocated), free: ByteCount(free)) != nil
        }
        #expect(found(0, 0) && found(0, 255 << 20) && found((1 << 30) - 4096, 0))
        #expect(!found(0, 1 << 30) && !found(0, 256 << 20) && !found(1 << 30, 0))
        #expect(!found(2 << 30, 0))
    }
}
