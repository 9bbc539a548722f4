/// How much of a document is accepted; each limit is checked before the memory is spent.
public struct ParserLimits: Hashable, Sendable {
    /// The longest document in bytes.
    public var bytes: Int
    /// The deepest nesting of elements; the root is at depth 1.
    public var depth: Int
    /// The largest number of elements, attributes and namespace declarations together.
    public var nodes: Int
    /// The longest value of an attribute in bytes.
    public var attributeBytes: Int

    /// 1 MiB, 64 levels, 50,000 nodes, 4 KiB an attribute: far above any inventory or definition.
    public static let standard = ParserLimits(
        bytes: 1 << 20, depth: 64, nodes: 50_000, attributeBytes: 4096)

    /// States limits.
    public init(bytes: Int, depth: Int, nodes: Int, attributeBytes: Int) {
        self.bytes = bytes
        self.depth = depth
        self.nodes = nodes
        self.attributeBytes = attributeBytes
    }
}
