import Glibc

/// libFuzzer's entry: feeds one input to the target that `LIVEMIG_FUZZ_TARGET` names.
///
/// Source: <https://llvm.org/docs/LibFuzzer.html>, "Fuzz Target".
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    do throws(BrokenPromise) {
        _ = try Chosen.target.run(input)
        return 0
    } catch {
        fatalError("\(Chosen.target): \(error)")
    }
}

private enum Chosen {
    static let target: FuzzTarget = {
        let name = unsafe getenv("LIVEMIG_FUZZ_TARGET").map { unsafe String(cString: $0) } ?? ""
        guard let target = FuzzTarget(rawValue: name) else {
            fatalError("LIVEMIG_FUZZ_TARGET is \(name)")
        }
        return target
    }()
}
