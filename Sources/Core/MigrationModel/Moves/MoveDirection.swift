/// Which way a guest goes, as one of its hosts sees it.
public enum MoveDirection: UInt8, Hashable, Sendable, CaseIterable {
    /// It leaves the host.
    case outgoing = 1
    /// It comes to the host.
    case incoming = 2

    /// As it is written in names of files.
    public var word: String { "\(self)" }
}
