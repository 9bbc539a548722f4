import Foundation
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import SyntheticVM
import TestSupport

/// Harvests of a 1 GiB reference guest with different shares of its pages written.
struct HarvestBenchmark {
    let runs: Int

    func run() throws {
        let scratch = try ScratchFolder()
        let folder = MachineFolder(path: scratch.path)
        let memory = try GuestMemoryFile.create(size: .mebibytes(1024))
        var boot = VMDefinition.Boot()
        boot.commandLine = "fill=1000MiB ws=1000MiB rate=0 content=random"
        let definition = VMDefinition(
            name: try VMName("guest"), uuid: .random(), kind: .synthetic, memory: memory.size,
            boot: boot)
        let agent = try BuildProducts.program("livemig-agent")
        let machine = try SyntheticLauncher(
            program: try SyntheticLauncher.locate(besides: agent),
            library: try PreloadLibrary.locate(besides: agent)
        ).start(definition, memory: memory, folder: folder, mode: .powerOn)
        defer { machine.destroy() }
        var tracker = try DirtyTracker(
            try PreloadLibrary.startTracking(socket: folder.memorySocket),
            pageCount: memory.pageCount)
        var pages = PageBitmap(pageCount: memory.pageCount)
        try tracker.harvest(into: &pages)
        for rate in ["0", "100MiB/s", "max"] {
            try machine.setRate(WorkloadParameters.Rate(parsing: rate))
            var times: [Double] = []
            var counts: [Int] = []
            for _ in 0..<max(runs, 5) {
                usleep(200_000)
                pages.removeAll()
                let start = MonotonicTime.now
                try tracker.harvest(into: &pages)
                times.append(start.elapsed.milliseconds)
                counts.append(pages.count)
            }
            let written = counts.sorted()[counts.count / 2]
            print("harvest  1 GiB, \(written) pages written  \(Spread(times, "ms"))")
        }
    }
}
