import MigrationModel

/// A release of QEMU.
public struct QEMUVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The first number.
    public let major: Int
    /// The second number.
    public let minor: Int
    /// The third number.
    public let micro: Int

    /// States a release.
    public init(_ major: Int, _ minor: Int, _ micro: Int) {
        self.major = major
        self.minor = minor
        self.micro = micro
    }

    /// The oldest release that is supported.
    ///
    /// QEMU 7.2 under TCG loses dirty pages when it moves RAM itself (measured; 10.0 does not).
    /// QEMU's dirty bitmap is not used here, so TCG with 7.2 is as good as any.
    public static let oldest = QEMUVersion(7, 2, 0)

    /// Reads the first line of `qemu-system-… --version`, such as
    /// `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)`; `nil` for anything else.
    public init?(versionOutput text: String) {
        let words = text.prefix { $0 != "\n" }.split(separator: " ")
        guard words.first == "QEMU",
            let index = words.firstIndex(of: "version"), index + 1 < words.count
        else { return nil }
        let numbers = words[index + 1].split(separator: ".").prefix(3)
            .map { Int($0.prefix(while: \.isASCIIDigit)) }
        guard numbers.count >= 2, let major = numbers[0], let minor = numbers[1] else { return nil }
        self.init(major, minor, numbers.count > 2 ? numbers[2] ?? 0 : 0)
    }

    /// Older releases order first.
    public static func < (left: QEMUVersion, right: QEMUVersion) -> Bool {
        (left.major, left.minor, left.micro) < (right.major, right.minor, right.micro)
    }

    /// Such as `QEMU 7.2.22`.
    public var description: String { "QEMU \(major).\(minor).\(micro)" }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}
