/// A value that is never shown: it prints as `<redacted>` in text, in dumps and in debuggers.
///
/// Whoever needs the value says so by `exposed`, which is easy to find in the sources.
public struct Secret<Value: Sendable>: Sendable, CustomStringConvertible,
    CustomDebugStringConvertible, CustomReflectable
{
    /// The value itself: never for a log, a message or an error.
    public let exposed: Value

    /// Wraps a value.
    public init(_ value: Value) { exposed = value }

    /// `<redacted>`.
    public var description: String { "<redacted>" }

    /// `<redacted>`.
    public var debugDescription: String { description }

    /// Without children.
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection()) }
}

extension Secret: Equatable where Value: Equatable {}
extension Secret: Hashable where Value: Hashable {}
