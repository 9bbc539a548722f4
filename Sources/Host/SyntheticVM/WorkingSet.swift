/// The pages one writer owns, and the order in which it rewrites them over and over.
///
/// Step `s`, from 0, writes page `page(atStep: s)` in generation `1 + s / pages.count`: every page
/// once per generation, in an order that is scattered over the part (an affine permutation).
public struct WriterPart: Hashable, Sendable {
    /// The pages, which no other writer writes.
    public let pages: Range<Int>
    private let factor: UInt64
    private let inverse: UInt64
    private let offset: UInt64

    init(pages: Range<Int>, seed: UInt64, writer: Int) {
        self.pages = pages
        let count = UInt64(pages.count)
        let key = Mixing.mix(seed &+ Mixing.mix(UInt64(writer) &+ 0xA11CE))
        guard count > 1 else {
            (factor, inverse, offset) = (0, 0, 0)
            return
        }
        offset = key % count
        var candidate = 1 + (key >> 20) % (count - 1)
        while Self.gcd(candidate, count) != 1 { candidate -= 1 }
        factor = candidate
        inverse = Self.inverse(of: candidate, modulo: count)
    }

    /// The page that a step writes.
    public func page(atStep step: UInt64) -> Int {
        let count = UInt64(pages.count)
        // Below 2^28 pages, products stay below 2^56.
        return pages.lowerBound + Int((factor * (step % count) + offset) % count)
    }

    /// The generation that a step writes.
    public func generation(atStep step: UInt64) -> UInt64 { 1 + step / UInt64(pages.count) }

    /// The generation a page of this part holds after so many steps.
    public func generation(of page: Int, afterSteps steps: UInt64) -> UInt64 {
        let count = UInt64(pages.count)
        let index = UInt64(page - pages.lowerBound)
        let position = inverse * ((index + count - offset) % count) % count
        return steps / count + (position < steps % count ? 1 : 0)
    }

    private static func gcd(_ left: UInt64, _ right: UInt64) -> UInt64 {
        var (left, right) = (left, right)
        while right != 0 { (left, right) = (right, left % right) }
        return left
    }

    /// By the extended Euclidean algorithm.
    private static func inverse(of value: UInt64, modulo modulus: UInt64) -> UInt64 {
        var (old, new) = (Int64(value), Int64(modulus))
        var (oldFactor, newFactor): (Int64, Int64) = (1, 0)
        while new != 0 {
            let quotient = old / new
            (old, new) = (new, old - quotient * new)
            (oldFactor, newFactor) = (newFactor, oldFactor - quotient * newFactor)
        }
        let modulus = Int64(modulus)
        return UInt64((oldFactor % modulus + modulus) % modulus)
    }
}

/// What every page of a reference guest must hold, given how many steps each writer has made.
public struct ExpectedMemory: Hashable, Sendable {
    /// What a page must hold.
    public enum Page: Hashable, Sendable {
        case heartbeat
        case untouched
        case content(PageContent)
    }

    /// The workload.
    public let parameters: WorkloadParameters
    /// The parts of the working set, one for each writer; none without a working set.
    public let parts: [WriterPart]

    /// The page of the heartbeat counter.
    public static let heartbeatPage = 0
    static let firstFilledPage = 1

    /// The expectation for a workload.
    public init(_ parameters: WorkloadParameters) {
        self.parameters = parameters
        let total = parameters.workingSetPages
        let writers = total == 0 ? 0 : parameters.writers
        parts = (0..<writers).map { writer in
            let first = Self.firstFilledPage + total * writer / writers
            let end = Self.firstFilledPage + total * (writer + 1) / writers
            return WriterPart(pages: first..<end, seed: parameters.seed, writer: writer)
        }
    }

    /// The pages that hold content from power-on.
    public var filledPages: Range<Int> {
        Self.firstFilledPage..<Self.firstFilledPage + parameters.fillPages
    }

    /// What a page must hold.
    ///
    /// - Parameters:
    ///   - page: the page's number.
    ///   - steps: how many steps each writer has made.
    public func page(_ page: Int, afterSteps steps: [UInt64]) -> Page {
        if page == Self.heartbeatPage { return .heartbeat }
        guard filledPages.contains(page) else { return .untouched }
        let generation = generation(of: page, afterSteps: steps)
        return .content(PageContent(parameters, page: page, generation: generation))
    }

    private func generation(of page: Int, afterSteps steps: [UInt64]) -> UInt64 {
        let index = page - Self.firstFilledPage
        guard index < parameters.workingSetPages else { return 0 }
        // The part whose bounds, rounded down, enclose the page; off by one at most.
        var writer = index * parts.count / parameters.workingSetPages
        while page >= parts[writer].pages.upperBound { writer += 1 }
        while page < parts[writer].pages.lowerBound { writer -= 1 }
        return parts[writer].generation(of: page, afterSteps: steps[writer])
    }
}
