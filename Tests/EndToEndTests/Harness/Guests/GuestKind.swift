import TestSupport

/// What kind of guest a test runs.
enum GuestKind: CaseIterable {
    /// The reference guest, which starts at once and is asked about its memory.
    case synthetic
    /// A real Linux in QEMU, which checks its memory all the time.
    case linux

    /// The word by which the hypervisor is found among the processes.
    var hypervisor: String {
        switch self {
        case .synthetic: "livemig-synthetic-guest"
        case .linux: "qemu-system"
        }
    }

    /// Starts a guest on alpha that writes few pages, all the time.
    func start(on hosts: TwoHosts) throws {
        switch self {
        case .synthetic: try hosts.start("fill=4MiB ws=1MiB rate=1MiB/s beat=100", memory: 16)
        case .linux: try hosts.startLinux("lm.fill=16 lm.ws=2 lm.rate=4 lm.beat=100")
        }
    }

    /// What is wrong with the memory of the guest that runs on a host; nothing when all is well.
    func faults(on host: TestHost) -> [String] {
        do {
            switch self {
            case .synthetic:
                let pages = try host.differingPages()
                return pages == "0" ? [] : ["\(pages) pages of the guest differ"]
            case .linux:
                let (first, second) = (try host.nextBeat(), try host.nextBeat())
                return (second.corrupt == 0 ? [] : ["\(second.corrupt) pages are corrupt"])
                    + (second.number > first.number ? [] : ["the guest does not go on"])
            }
        } catch {
            return ["the guest does not answer: \(error)"]
        }
    }
}
